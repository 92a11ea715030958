"""What each node is for, and that the graph loses it without the node."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from episodes import QUESTION, TWO_LOOKS, answer, look, span
from langchain_core.messages import AIMessage, ToolMessage
from langgraph.errors import GraphRecursionError

from eva_graph import Context, EvaGraphError, Look, Plan, VideoAgent
from eva_graph.blocks import frames_of
from eva_graph.dialects.turn import parse_plan
from eva_graph.driver import Core
from eva_graph.episode import NodeRun, Wiring
from eva_graph.graph import build_graph
from eva_graph.nodes import NODES
from eva_graph.state import AgentState
from eva_graph.testing import ScriptedPolicy
from eva_graph_tools import FrameStore

State = dict[str, Any]


def states(policy: ScriptedPolicy, video: Path, frames: FrameStore) -> list[State]:
    """What the nodes have written so far, after every step."""
    graph = build_graph(policy, frames=frames)
    seen: State = {}
    after: list[State] = []
    for part in graph.stream({"video": str(video), "question": QUESTION}, stream_mode="updates"):
        for name, update in part.items():
            seen = {**seen, **(update or {})}
            after.append({"node": name, **seen})
    return after


def test_summary_opens_the_episode(clip: Path, frames: FrameStore) -> None:
    policy = ScriptedPolicy(TWO_LOOKS)
    first = states(policy, clip, frames)[0]
    assert first["node"] == "summary"
    assert first["turn"] == 1
    assert first["trajectory_id"]
    assert first["answer"] is None
    asked = policy.requests[0].messages
    assert [message.type for message in asked] == ["system", "human"]
    assert "Video Length: 8 seconds. Original video resolution: 84p." in str(asked[1].content)
    assert QUESTION in str(asked[1].content)
    assert not list(frames_of(asked)), "no frame is ever shown before the first plan"


def test_plan_gives_typed_calls(clip: Path, frames: FrameStore) -> None:
    after = states(ScriptedPolicy(TWO_LOOKS), clip, frames)
    planned = [state for state in after if state["node"] == "plan"]
    assert [call["arguments"] for state in planned for call in state["calls"]] == [
        span(0, 8, 2, 0.5),
        span(3, 3, 1),
    ]
    result = VideoAgent(ScriptedPolicy(TWO_LOOKS), frames=frames).run(clip, QUESTION)
    assert result.turns[0].plan == Plan(
        text=result.turns[0].plan.text,
        candidates=(
            Look(
                tool="frame_select",
                arguments=span(0, 8, 2, 0.5),
                estimated_visual_tokens=12,
                reason="look 1",
            ),
        ),
        chosen=(0,),
    )


def test_action_looks_within_budget(clip: Path, frames: FrameStore) -> None:
    policy = ScriptedPolicy([look(span(0, 8, 16)), answer("red")])
    agent = VideoAgent(policy, frames=frames)
    result = agent.run(clip, QUESTION, context=Context(look_budget=20))
    (call,) = result.turns[0].calls
    assert call.requested == span(0, 8, 16)
    assert call.applied is not None
    assert call.applied["nframes"] < 16
    assert 0 < call.visual_tokens <= 20
    shown = [m for m in policy.requests[1].messages if isinstance(m, ToolMessage)]
    assert list(frames_of(shown)) == list(call.frames)
    assert "reduced to" in str(shown[0].content)


def test_reflection_decides(clip: Path, frames: FrameStore) -> None:
    after = states(ScriptedPolicy(TWO_LOOKS), clip, frames)
    assert [state["node"] for state in after] == [
        *("summary", "plan", "action", "reflection"),
        *("summary", "plan", "action", "reflection"),
    ]
    assert after[3].get("stop_reason") is None
    assert (after[-1]["answer"], after[-1]["stop_reason"]) == ("yellow", "answered")
    result = VideoAgent(ScriptedPolicy(TWO_LOOKS), frames=frames).run(clip, QUESTION)
    assert [turn.reflection for turn in result.turns] == [
        "Yellow near [00:03].",
        "At [00:03] it is yellow.",
        "",
    ]


def pass_through(wiring: Wiring, run: NodeRun, state: AgentState) -> Core[dict[str, Any]]:
    yield from ()
    return {}


@pytest.fixture
def without(
    monkeypatch: pytest.MonkeyPatch, clip: Path, frames: FrameStore
) -> Callable[[str], ScriptedPolicy]:
    """Runs the episode with one node replaced by one that does nothing."""

    def run(node: str) -> ScriptedPolicy:
        monkeypatch.setitem(NODES, node, pass_through)
        policy = ScriptedPolicy(TWO_LOOKS)
        graph = build_graph(policy, frames=frames)
        with suppress(KeyError, EvaGraphError, GraphRecursionError):
            for _ in graph.stream(
                {"video": str(clip), "question": QUESTION}, {"recursion_limit": 12}
            ):
                pass
        return policy

    return run


Without = Callable[[str], ScriptedPolicy]


def test_without_summary_no_episode_opens(without: Without) -> None:
    assert without("summary").requests == []


def test_without_plan_nothing_is_looked_at(without: Without) -> None:
    assert len(without("plan").requests) == 1


def test_without_action_no_frame_is_shown(without: Without) -> None:
    assert [len(list(frames_of(r.messages))) for r in without("action").requests] == [0, 0, 0]


def test_without_reflection_nothing_is_concluded(without: Without) -> None:
    assert len(without("reflection").requests) == 1, "the same look, round after round"


def test_a_plan_that_cannot_be_read_is_kept_whole(clip: Path, frames: FrameStore) -> None:
    text = look(span(0, 8, 2)).replace('1. {"tool"', "First {tool")
    result = VideoAgent(ScriptedPolicy([text, answer("red")]), frames=frames).run(clip, QUESTION)
    assert result.turns[0].plan.candidates == ()
    assert "First {tool" in result.turns[0].plan.text
    assert len(result.turns[0].calls[0].frames) == 2


@pytest.mark.parametrize("number", ["NaN", "1e999", "9" * 400, '"\\ud800"', "[" * 60 + "]" * 60])
def test_a_plan_with_numbers_that_no_record_can_hold(
    number: str, clip: Path, frames: FrameStore, tmp_path: Path
) -> None:
    text = look(span(0, 8, 2)).replace('"start_time": 0', f'"start_time": {number}', 1)
    assert parse_plan(text).candidates == ()
    agent = VideoAgent(ScriptedPolicy([text, answer("red")]), frames=frames)
    result = agent.run(clip, QUESTION, record=tmp_path / "run")
    assert result.answer == "red"


def test_text_without_headings_stays_with_the_node_that_asked(
    clip: Path, frames: FrameStore
) -> None:
    bare = look(span(0, 8, 2)).rpartition("\n<tool_call>")[2]
    agent = VideoAgent(
        ScriptedPolicy([f"I look. <tool_call>{bare}", "<answer>red</answer>"]), frames=frames
    )
    steps = list(agent.stream(clip, QUESTION))
    assert steps[0].data == {"summary": "I look."}  # type: ignore[union-attr]
    result = steps[-1]
    assert result.turns[0].summary == ""  # type: ignore[union-attr]
    assert result.turns[0].plan == Plan()  # type: ignore[union-attr]
    assert result.trajectory.turns[0].unmarked == "I look."  # type: ignore[union-attr]


def test_one_assistant_message_a_turn(clip: Path, frames: FrameStore) -> None:
    policy = ScriptedPolicy(TWO_LOOKS)
    final = states(policy, clip, frames)[-1]
    assert isinstance(final["messages"][-1], AIMessage)
    last = policy.requests[-1].messages
    kinds = [message.type for message in last]
    assert kinds == ["system", "human", "ai", "tool", "ai", "tool"]
    turns = [message.content for message in last if isinstance(message, AIMessage)]
    assert turns == list(TWO_LOOKS[:2])
