"""`calls="phase"`: every node writes its own part of the assistant message."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from episodes import QUESTION, TWO_LOOKS, answer, look, span
from openai_server import Json, OpenAIServer, Traits

from eva_graph import Context, RunResult, StopReason, VideoAgent
from eva_graph.errors import PolicyUnavailable
from eva_graph.policy.protocol import Completion
from eva_graph.testing import Line, ScriptedPolicy
from eva_graph_tools import FrameStore

PHASES = Context(calls="phase")


@pytest.fixture
def server() -> Iterator[OpenAIServer]:
    with OpenAIServer(TWO_LOOKS) as running:
        yield running


def begun(body: Json) -> str:
    """What the assistant message of a request already holds."""
    assert body["continue_final_message"] is True
    assert body["add_generation_prompt"] is False
    assert body["messages"][-1]["role"] == "assistant"
    return str(body["messages"][-1]["content"])


def test_parts_are_asked_for_one_by_one(
    server: OpenAIServer, clip: Path, frames: FrameStore
) -> None:
    result = VideoAgent(server.base_url, frames=frames).run(clip, QUESTION, context=PHASES)
    assert (result.answer, result.stop_reason) == ("yellow", StopReason.ANSWERED)
    assert [turn.text for turn in result.turns] == list(TWO_LOOKS)
    leads = [re.split(r"\n(?=Plan:|Summary:|<tool_call>)", begun(b))[-1] for b in server.requests]
    assert [lead[:11] for lead in leads] == [
        *("Summary:", "Plan:", "<tool_call>"),
        *("Reflection:", "Summary:", "Plan:", "<tool_call>"),
        "Reflection:",
    ]
    stops = [body["stop"] for body in server.requests]
    assert stops[:4] == [
        ["\nPlan:", "<tool_call>"],
        ["<tool_call>"],
        ["</tool_call>"],
        ["\nSummary:", "<tool_call>"],
    ]
    assert (result.usage.policy_calls, result.usage.requests) == (8, 8)


def test_the_action_is_held_to_the_schema(
    server: OpenAIServer, clip: Path, frames: FrameStore
) -> None:
    VideoAgent(server.base_url, frames=frames).run(clip, QUESTION, context=PHASES)
    guided = [
        b["structured_outputs"]["regex"] for b in server.requests if "structured_outputs" in b
    ]
    assert len(guided) == 2
    call = '{"tool": "frame_select", "arguments": {"start_time": 0, "end_time": 8, "nframes": 2}}'
    assert re.fullmatch(guided[0], call)
    assert re.fullmatch(guided[0], call.replace(" 8,", ' "00:08",'))
    for wrong in (
        "{}",
        call[:-1],
        call.replace("2}", '"two"}'),
        call.replace("frame_select", "rm"),
    ):
        assert not re.fullmatch(guided[0], wrong)


def test_spans_tell_what_was_sampled(server: OpenAIServer, clip: Path, frames: FrameStore) -> None:
    result = VideoAgent(server.base_url, frames=frames).run(clip, QUESTION, context=PHASES)
    first, _, last = result.trajectory.turns
    assert [span.text for span in first.spans if not span.sampled] == [
        "Summary:",
        "\nPlan:",
        "<tool_call>",
        "</tool_call>",
    ]
    assert "".join(span.text for span in first.spans) == first.text
    assert [span.sampled for span in last.spans] == [False, True]
    assert all(turn.tokens is None for turn in result.trajectory.turns)
    assert (first.policy_calls, last.policy_calls) == (3, 1)


def test_an_answer_is_forced_in_the_last_turn(clip: Path, frames: FrameStore) -> None:
    def script(body: Json) -> str:
        if len(body["messages"]) < 5:
            return TWO_LOOKS[0]
        text = begun(body)
        return text + ("yellow</answer>" if text.endswith("<answer>") else " Not sure yet.")

    with OpenAIServer(script) as server:
        agent = VideoAgent(server.base_url, frames=frames)
        result = agent.run(clip, QUESTION, context=Context(calls="phase", max_turns=2))
    assert (result.answer, result.stop_reason) == ("yellow", StopReason.FORCED)
    assert result.turns[1].text == "Reflection: Not sure yet.\n<answer>yellow</answer>"
    assert "No more looks are possible" in str(server.requests[-1]["messages"][-2]["content"])


@pytest.mark.parametrize(
    "traits", [Traits(continuation=False), Traits(owned_by="somebody", continuation=False)]
)
def test_a_server_without_continuation_writes_whole_turns(
    traits: Traits, clip: Path, frames: FrameStore, caplog: pytest.LogCaptureFixture
) -> None:
    with OpenAIServer(TWO_LOOKS, traits=traits) as server, caplog.at_level(logging.WARNING):
        result = VideoAgent(server.base_url, frames=frames).run(clip, QUESTION, context=PHASES)
    assert (result.answer, result.stop_reason) == ("yellow", StopReason.ANSWERED)
    assert [turn.text for turn in result.turns] == list(TWO_LOOKS)
    assert 'calls="phase" falls back to whole turns' in caplog.text
    assert all(span.sampled for turn in result.trajectory.turns for span in turn.spans)


def test_a_forced_turn_without_continuation_is_asked_for_once(
    clip: Path, frames: FrameStore
) -> None:
    traits = Traits(continuation=False)
    with OpenAIServer([TWO_LOOKS[0], TWO_LOOKS[1]], traits=traits) as server:
        agent = VideoAgent(server.base_url, frames=frames)
        result = agent.run(clip, QUESTION, context=Context(calls="phase", max_turns=2))
    assert result.stop_reason is StopReason.NO_ANSWER
    continued = ["continue_final_message" in body for body in server.requests]
    assert continued.count(False) == 2, "each turn is asked for once as a whole"
    assert not continued[-1]


@pytest.mark.parametrize("settings", [{"dialect": "native"}, {"profile": "reference"}])
def test_dialects_that_have_no_parts(
    settings: dict[str, Any], clip: Path, frames: FrameStore, caplog: pytest.LogCaptureFixture
) -> None:
    policy = ScriptedPolicy([answer("red")], continuation=True)
    result = VideoAgent(policy, frames=frames, **settings).run(clip, QUESTION, context=PHASES)
    assert result.answer == "red"
    assert not policy.requests[0].continue_final
    assert "falls back" in caplog.text


def scripted(
    lines: list[Line], clip: Path, frames: FrameStore, **knobs: Any
) -> tuple[ScriptedPolicy, RunResult]:
    policy = ScriptedPolicy(lines, continuation=True)
    agent = VideoAgent(policy, frames=frames)
    return policy, agent.run(clip, QUESTION, context=Context(calls="phase", **knobs))


CALL = look(span(0, 8, 2)).partition("<tool_call>")[2].partition("</tool_call>")[0]
TURN: list[Line] = [" Nothing yet.", "\n1. Look.\n", CALL]


def test_one_line_for_each_part(clip: Path, frames: FrameStore) -> None:
    policy, result = scripted([*TURN, " Red.\n<answer>red</answer>"], clip, frames)
    assert result.turns[0].text == (
        f"Summary: Nothing yet.\nPlan:\n1. Look.\n<tool_call>{CALL}</tool_call>"
    )
    assert result.turns[0].reflection == "Red."
    assert len(result.turns[0].calls[0].frames) == 2
    assert [request.guided_regex is not None for request in policy.requests] == [
        *(False, False, True),
        False,
    ]


@pytest.mark.parametrize(
    ("lines", "reason", "said"),
    [
        ([" I know it: <answer>red</answer>"], StopReason.ANSWERED, "red"),
        ([" Nothing.", " None: <answer>red</answer>"], StopReason.ANSWERED, "red"),
        ([Completion(text=" On and", finish_reason="length")], StopReason.TRUNCATED, None),
        (
            [*TURN[:2], Completion(text=CALL[:9], finish_reason="length")],
            StopReason.TRUNCATED,
            None,
        ),
        ([*TURN, Completion(text=" On and", finish_reason="length")], StopReason.TRUNCATED, None),
    ],
)
def test_a_part_may_end_the_episode(
    lines: list[Line], reason: StopReason, said: str | None, clip: Path, frames: FrameStore
) -> None:
    policy, result = scripted(lines, clip, frames)
    assert (result.stop_reason, result.answer) == (reason, said)
    assert len(policy.requests) == len(lines)
    assert result.turns[-1].text.endswith(str(getattr(lines[-1], "text", lines[-1])))


@pytest.mark.parametrize("part", range(8))
def test_a_policy_that_fails_in_any_part(part: int, clip: Path, frames: FrameStore) -> None:
    lines: list[Line] = [*TURN, " Red.", *TURN, " Still red.\n<answer>red</answer>"]
    lines[part] = PolicyUnavailable("the server is down", requests=3)
    policy, result = scripted(lines, clip, frames)
    assert result.stop_reason is StopReason.POLICY_ERROR
    assert result.error == "the server is down"
    assert len(policy.requests) == part + 1
    assert sum(turn.policy_calls for turn in result.trajectory.turns) == part
    assert result.usage.requests == part + 3
    said = [m for m in result.trajectory.messages if m["role"] == "assistant"]
    assert len(said) == len(result.turns) == (0 if part == 0 else 1 if part <= 3 else 2)


def test_a_forced_answer_that_is_cut_is_no_answer(clip: Path, frames: FrameStore) -> None:
    cut = Completion(text="red and on and", finish_reason="length")
    _, result = scripted([*TURN, " Red.", cut], clip, frames, max_turns=2)
    assert (result.stop_reason, result.answer) == (StopReason.TRUNCATED, None)


def test_a_single_turn_has_no_room_for_a_look(clip: Path, frames: FrameStore) -> None:
    _, result = scripted([" Nothing.", " None."], clip, frames, max_turns=1)
    assert (result.stop_reason, result.usage.frames) == (StopReason.NO_ANSWER, 0)


def test_a_reply_that_is_only_text(clip: Path, frames: FrameStore) -> None:
    """A server whose guided decoding is switched off: what it writes is told back."""
    _, result = scripted([*TURN[:2], "let me see", " Red.<answer>red</answer>"], clip, frames)
    assert result.trajectory.turns[0].outcome == "malformed"
    assert result.answer == "red"
