"""Every way in which an episode can end, reached by a real run, and ended exactly once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from episodes import QUESTION, TWO_LOOKS, answer, call, look, span
from openai_server import Fault, OpenAIServer, unused_address

from eva_graph import Context, StopReason, VideoAgent, build_graph
from eva_graph.errors import ContextOverflow, PolicyUnavailable
from eva_graph.policy.openai_compatible import OpenAIPolicy
from eva_graph.policy.protocol import Completion
from eva_graph.testing import Line, ScriptedPolicy
from eva_graph_tools import FrameStore, VisualGrid

LOOK = look(span(0, 8, 4))
CUT = Completion(text=look(span(0, 8, 4))[:-20], finish_reason="length")


@dataclass(frozen=True, kw_only=True)
class Ending:
    """A script and how it ends."""

    script: Sequence[Line]
    reason: StopReason
    answer: str | None = None
    error: str | None = None
    context: Context = field(default_factory=Context)
    context_tokens: int | None = None
    profile: Any = "corrected"


ENDINGS = {
    "answered after two looks": Ending(
        script=TWO_LOOKS, reason=StopReason.ANSWERED, answer="yellow"
    ),
    "answered at once": Ending(
        script=[answer("red", "I guess.")], reason=StopReason.ANSWERED, answer="red"
    ),
    "an answer beats a call": Ending(
        script=[LOOK + answer("red")], reason=StopReason.ANSWERED, answer="red"
    ),
    "forced in the last turn": Ending(
        script=[LOOK, LOOK, answer("red")],
        reason=StopReason.FORCED,
        answer="red",
        context=Context(max_turns=3),
    ),
    "a call where it had to answer": Ending(
        script=[LOOK, LOOK], reason=StopReason.NO_ANSWER, context=Context(max_turns=2)
    ),
    "only one turn, and no answer": Ending(
        script=[LOOK], reason=StopReason.NO_ANSWER, context=Context(max_turns=1)
    ),
    "prose in every turn": Ending(
        script=["Hm."] * 6, reason=StopReason.NO_ANSWER
    ),
    "the visual budget is spent": Ending(
        script=[LOOK, answer("red")],
        reason=StopReason.BUDGET,
        answer="red",
        context=Context(episode_visual_budget=48),
    ),
    "the context is nearly full": Ending(
        script=[LOOK, answer("red")],
        reason=StopReason.CONTEXT_OVERFLOW,
        answer="red",
        context_tokens=480,
    ),
    "the policy's context overflows": Ending(
        script=[LOOK, ContextOverflow("the prompt has 9000 tokens, the context 4096")],
        reason=StopReason.CONTEXT_OVERFLOW,
        error="the prompt has 9000 tokens, the context 4096",
    ),
    "cut in the first turn": Ending(script=[CUT], reason=StopReason.TRUNCATED),
    "cut after a look": Ending(script=[LOOK, CUT], reason=StopReason.TRUNCATED),
    "cut after the answer was complete": Ending(
        script=[Completion(text=answer("red") + " and", finish_reason="length")],
        reason=StopReason.ANSWERED,
        answer="red",
    ),
    "the policy fails at once": Ending(
        script=[PolicyUnavailable("the server is down")],
        reason=StopReason.POLICY_ERROR,
        error="the server is down",
    ),
    "the policy fails after a look": Ending(
        script=[LOOK, PolicyUnavailable("the server is down")],
        reason=StopReason.POLICY_ERROR,
        error="the server is down",
    ),
    "reference: answered in the last turn": Ending(
        script=[LOOK] * 5 + [answer("red")],
        reason=StopReason.ANSWERED,
        answer="red",
        profile="reference",
    ),
    "reference: a call in the last turn": Ending(
        script=[LOOK] * 6, reason=StopReason.MAX_TURNS, profile="reference"
    ),
    "reference: neither": Ending(
        script=[LOOK, "Hm."], reason=StopReason.NO_CALL, profile="reference"
    ),
    "reference: a block without a call": Ending(
        script=["<tool_call>look!</tool_call>"],
        reason=StopReason.NO_VALID_CALL,
        profile="reference",
    ),
    "reference: the calls fail": Ending(
        script=[call({"start_time": 0, "end_time": 8})],
        reason=StopReason.TOOL_ERROR,
        error="no_nframes",
        profile="reference",
    ),
    "reference: cut off": Ending(
        script=[CUT], reason=StopReason.NO_CALL, profile="reference"
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", ENDINGS)
def test_ending(name: str, clip: Path, frames: FrameStore) -> None:
    ending = ENDINGS[name]
    policy = ScriptedPolicy(ending.script, context_tokens=ending.context_tokens)
    graph = build_graph(policy, frames=frames, profile=ending.profile, context=ending.context)
    updates = [
        update or {}
        for part in graph.stream({"video": str(clip), "question": QUESTION}, stream_mode="updates")
        for update in part.values()
    ]
    ends = [update for update in updates if update.get("stop_reason")]
    assert len(ends) == 1, "stop_reason is set exactly once"
    assert ends == updates[-1:] or updates[-1] == {}
    assert ends[0]["stop_reason"] == ending.reason
    assert ends[0]["answer"] == ending.answer
    assert ends[0]["error"] == ending.error
    assert all(update.get("answer") is None for update in updates if update is not ends[0])
    assert len(policy.requests) == len(ending.script)


def test_every_stop_reason_is_reached() -> None:
    assert {ending.reason for ending in ENDINGS.values()} == set(StopReason)


def test_the_smallest_frame_ends_a_visual_budget(clip: Path, frames: FrameStore) -> None:
    grid = VisualGrid(min_pixels=4 * 28 * 28)
    policy = ScriptedPolicy([LOOK, answer("red")], grid=grid)
    agent = VideoAgent(policy, frames=frames)
    result = agent.run(clip, QUESTION, context=Context(episode_visual_budget=51))
    assert result.stop_reason is StopReason.BUDGET
    assert result.usage.visual_tokens == 48


@pytest.mark.parametrize("fault", [Fault.ERROR_500, Fault.CUT, Fault.HTML, Fault.EMPTY_CHOICES])
def test_a_failing_server_keeps_the_trajectory(
    fault: Fault, clip: Path, frames: FrameStore, tmp_path: Path
) -> None:
    with OpenAIServer([LOOK, answer("red")], faults=[Fault.NONE, fault]) as server:
        policy = OpenAIPolicy(server.base_url, backoff_seconds=0.0)
        agent = VideoAgent(policy, frames=frames)
        result = agent.run(clip, QUESTION, record=tmp_path / "run")
    assert result.stop_reason is StopReason.POLICY_ERROR
    assert result.error
    assert "\n" not in result.error
    assert len(result.turns) == 1
    assert len(result.turns[0].calls[0].frames) == 4
    assert result.usage.policy_calls == 1
    assert result.usage.requests == len(server.requests)


def test_a_server_that_refuses_connections(clip: Path, frames: FrameStore, tmp_path: Path) -> None:
    policy = OpenAIPolicy(unused_address(), max_retries=1, backoff_seconds=0.0)
    agent = VideoAgent(policy, frames=frames)
    for context in (Context(), Context(calls="phase")):
        result = agent.run(clip, QUESTION, record=tmp_path / "run", context=context)
        assert result.stop_reason is StopReason.POLICY_ERROR
        assert result.error
        assert result.turns == ()
        assert result.trajectory.policy.backend == "unreachable"
        assert "127.0.0.1" in result.trajectory.policy.name
        assert QUESTION in result.trajectory.messages[1]["content"]
