"""What goes wrong in a turn is told to the policy as text; the last look asks for the answer."""

from __future__ import annotations

from pathlib import Path

import pytest
from episodes import QUESTION, answer, call, look, span
from langchain_core.messages import ToolMessage

from eva_graph import Context, RunResult, StopReason, VideoAgent
from eva_graph.blocks import frames_of, text_of
from eva_graph.policy.protocol import Completion, NativeCall
from eva_graph.testing import Line, ScriptedPolicy
from eva_graph_tools import FrameStore

LOOK = look(span(0, 8, 4))
LOOK_AGAIN = "If more information is needed, call the frame selection tool again."
ANSWER_NOW = "No more looks are possible. Answer now inside <answer></answer>."


def told(policy: ScriptedPolicy) -> list[str]:
    """Texts of the tool messages in the last request."""
    return [text_of(m) for m in policy.requests[-1].messages if isinstance(m, ToolMessage)]


@pytest.mark.parametrize(
    ("turn", "complaint"),
    [
        ("<tool_call>{]</tool_call>", "the tool call is not valid JSON"),
        ("<tool_call></tool_call>", "the tool call is empty"),
        ('<tool_call>{"arguments": {}}</tool_call>', "names no tool"),
        ('<tool_call>{"tool": "frame_select", "arguments": 3}</tool_call>', "a JSON object"),
        ("<answer> </answer>", "the answer is empty"),
        ("I am thinking.", "there is no tool call and no answer"),
        ("", "there is no tool call and no answer"),
    ],
)
def test_malformed_turn(turn: str, complaint: str, clip: Path, frames: FrameStore) -> None:
    policy = ScriptedPolicy([turn, answer("red")])
    result = VideoAgent(policy, frames=frames).run(clip, QUESTION)
    assert result.stop_reason is StopReason.ANSWERED
    (text,) = told(policy)
    assert text.startswith("<tool_response>Error: ")
    assert complaint in text
    assert LOOK_AGAIN in text
    assert QUESTION in text
    assert not list(frames_of(policy.requests[1].messages))
    record = result.trajectory.turns[0]
    assert record.outcome == "malformed"
    assert record.error
    assert complaint in record.error


@pytest.mark.parametrize(
    ("turn", "complaint"),
    [
        (call(span(0, 8, 4), tool="paint"), "there is no tool 'paint'"),
        (call({"start_time": 0, "end_time": 8}), "nframes"),
        (call(span(100, 200, 4)), "outside the video"),
        (call(span(5, 3, 4)), "end_time must be after start_time"),
        (call({**span(0, 8, 4), "path": "/etc/passwd"}), "path"),
    ],
)
def test_failing_call(turn: str, complaint: str, clip: Path, frames: FrameStore) -> None:
    policy = ScriptedPolicy([turn, answer("red")])
    result = VideoAgent(policy, frames=frames).run(clip, QUESTION)
    assert result.stop_reason is StopReason.ANSWERED
    (text,) = told(policy)
    assert "Error: " in text
    assert complaint in text
    assert complaint in str(result.turns[0].calls[0].error)


def test_parallel_calls_are_shown_in_call_order(clip: Path, frames: FrameStore) -> None:
    turn = look(span(6, 6, 1), span(99, 100, 1), span(0, 1, 2))
    policy = ScriptedPolicy([turn, answer("red")])
    result = VideoAgent(policy, frames=frames).run(clip, QUESTION)
    first, failed, last = result.turns[0].calls
    assert "outside the video" in str(failed.error)
    assert [frame.pts_seconds for frame in first.frames] == [6.0]
    assert len(last.frames) == 2
    assert list(frames_of(policy.requests[1].messages)) == [*first.frames, *last.frames]
    (text,) = told(policy)
    assert "Error in call 2: " in text
    assert "Frame 0 at [00:06" in text
    assert "Frame 1 at [00:00" in text
    assert "Frame 2 at [00:0" in text
    assert "Frame 3" not in text


def forced(script: list[Line], clip: Path, frames: FrameStore) -> tuple[ScriptedPolicy, RunResult]:
    policy = ScriptedPolicy(script)
    agent = VideoAgent(policy, frames=frames)
    return policy, agent.run(clip, QUESTION, context=Context(max_turns=3))


@pytest.mark.parametrize("last", [LOOK, "I am thinking."])
def test_the_last_permitted_look_asks_for_the_answer(
    last: str, clip: Path, frames: FrameStore
) -> None:
    policy, result = forced([LOOK, last, answer("red")], clip, frames)
    first_text, last_text = told(policy)
    assert LOOK_AGAIN in first_text
    assert ANSWER_NOW not in first_text
    assert ANSWER_NOW in last_text
    assert LOOK_AGAIN not in last_text
    assert result.stop_reason is StopReason.FORCED


def test_a_call_in_the_forced_turn_is_not_executed(clip: Path, frames: FrameStore) -> None:
    policy, result = forced([LOOK, LOOK, LOOK], clip, frames)
    assert result.stop_reason is StopReason.NO_ANSWER
    assert result.answer is None
    assert result.turns[2].calls == ()
    assert result.trajectory.turns[2].outcome == "calls"
    assert result.usage.frames == 8
    assert len(policy.requests) == 3


def native(*calls: tuple[str, str], text: str = "") -> Completion:
    made = tuple(
        NativeCall(id=f"c{n}", name=name, arguments=a) for n, (name, a) in enumerate(calls)
    )
    return Completion(text=text, tool_calls=made, finish_reason="tool_calls")


SELECT = '{"start_time": 0, "end_time": 8, "nframes": 2}'


def test_native_calls_are_answered_by_id(clip: Path, frames: FrameStore) -> None:
    policy = ScriptedPolicy(
        [
            native(("frame_select", SELECT), ("seek", '{"time": 3}')),
            native(("frame_select", "{"), ("seek", '{"time": 3}')),
            native(("paint", '{"\\ud800": 1}')),
            "No call.",
            answer("red"),
        ]
    )
    result = VideoAgent(policy, dialect="native", frames=frames).run(clip, QUESTION)
    assert result.stop_reason is StopReason.ANSWERED
    messages = [m for m in policy.requests[-1].messages if isinstance(m, ToolMessage)]
    assert [m.tool_call_id for m in messages] == ["c0", "c1", "c0", "c1", "c0"]
    assert [m.status for m in messages] == ["success"] * 2 + ["error"] * 3
    assert len(result.turns[0].calls[0].frames) == 2
    assert policy.requests[-1].messages[-1].type == "human", "no call: told in a user message"
