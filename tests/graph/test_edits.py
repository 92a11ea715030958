"""A person stops the graph before `action` and changes what will run."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from episodes import QUESTION, TWO_LOOKS, answer, call, in_parts, look, span
from langchain_core.messages import AIMessage, ToolMessage
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.graph import START, StateGraph
from typing_extensions import TypedDict

from eva_graph import Context, Trajectory, build_graph
from eva_graph.errors import InvalidRequest
from eva_graph.policy.protocol import Completion, NativeCall
from eva_graph.testing import Line, ScriptedPolicy
from eva_graph.trajectory import read_records
from eva_graph_tools import FrameStore

THREAD: Any = {"configurable": {"thread_id": "1"}}
EDITED = {"tool": "frame_select", "arguments": span(5, 5, 1)}
FIRST = look(span(0, 8, 2))


class Stopped:
    """A recorded run that stops before every action."""

    def __init__(self, script: Sequence[Line], run: Path, **settings: Any) -> None:
        self.policy = ScriptedPolicy(script)
        self.run = run
        graph = build_graph(self.policy, context=Context(record=str(run)), **settings)
        self.graph = graph.builder.compile(
            checkpointer=InMemorySaver(), interrupt_before=["action"]
        )

    def ask(self, clip: Path) -> dict[str, Any]:
        self.graph.invoke({"video": str(clip), "question": QUESTION}, THREAD)
        return self.state

    @property
    def state(self) -> dict[str, Any]:
        return self.graph.get_state(THREAD).values

    def go_on(self, *calls: Any) -> Any:
        self.graph.update_state(THREAD, {"calls": list(calls)})
        return self.graph.invoke(None, THREAD)

    @property
    def record(self) -> Trajectory:
        (record,) = read_records(self.run)
        return record


def test_an_untouched_call_runs_as_it_is(clip: Path, tmp_path: Path) -> None:
    run = Stopped([FIRST, answer("red")], tmp_path / "run")
    state = run.ask(clip)
    assert state["calls"][0]["arguments"] == span(0, 8, 2)
    assert run.graph.get_state(THREAD).next == ("action",)
    assert run.graph.invoke(None, THREAD)["answer"] == "red"
    assert not run.record.turns[0].edited


def test_an_edited_call(clip: Path, tmp_path: Path) -> None:
    last = Completion(
        text=answer("purple"),
        prompt_token_ids=(1, 2, 9, 5),
        token_ids=(6,),
        image_grids=((1, 6, 8),),
    )
    run = Stopped([_with_tokens(FIRST), last], tmp_path / "run")
    original = run.ask(clip)["messages"][-1]
    output = run.go_on(EDITED)
    assert output["answer"] == "purple"
    messages = run.state["messages"]
    assert [message.type for message in messages] == ["system", "human", "ai", "tool", "ai"]
    rendered = messages[2]
    assert rendered.id == original.id
    assert rendered.content.endswith(call(span(5, 5, 1)))
    assert rendered.content.startswith("Summary: Nothing is known yet.\nPlan:\n")
    assert run.policy.requests[1].messages[2].content == rendered.content
    turn = run.record.turns[0]
    assert turn.edited
    assert turn.text == FIRST
    assert turn.sampled_calls is not None
    assert turn.sampled_calls[0]["arguments"] == span(0, 8, 2)
    assert [made.requested for made in turn.calls] == [span(5, 5, 1)]
    assert turn.tokens is None
    assert run.record.messages[2]["content"] == rendered.content
    following = run.record.turns[1].tokens
    assert following is not None
    assert not following.prefix_ok
    assert following.prompt_delta_ids == [1, 2, 9, 5]
    assert following.image_grids == [(1, 6, 8)]


def _with_tokens(text: str) -> Completion:
    return Completion(text=text, prompt_token_ids=(1, 2), token_ids=(3, 4), logprobs=(-1.0, -1.0))


def test_several_calls_in_place_of_one(clip: Path, tmp_path: Path) -> None:
    run = Stopped([FIRST, answer("red")], tmp_path / "run")
    run.ask(clip)
    mine = {"tool": "frame_select", "arguments": span(1, 1, 1), "id": "mine"}
    run.go_on(EDITED, mine, mine)
    first, second, third = run.record.turns[0].calls
    assert (first.id[-2:], second.id, third.id[-2:]) == (":0", "mine", ":2")
    assert len(first.frames) == len(second.frames) == 1


def test_a_malformed_turn_gets_calls_from_a_person(clip: Path, tmp_path: Path) -> None:
    run = Stopped(["I look.\n<tool_call>{oops", answer("red")], tmp_path / "run")
    assert run.ask(clip)["calls"] == []
    run.go_on(EDITED)
    messages = run.policy.requests[1].messages
    assert messages[2].content == f"I look.\n{call(span(5, 5, 1))}"
    assert "Error" not in str(messages[3].content)
    turn = run.record.turns[0]
    assert (turn.edited, turn.outcome, turn.sampled_calls) == (True, "malformed", [])
    assert len(turn.calls[0].frames) == 1


def test_a_native_call_is_replaced(clip: Path, tmp_path: Path) -> None:
    arguments = '{"start_time": 0, "end_time": 8, "nframes": 2}'
    made = NativeCall(id="c1", name="frame_select", arguments=arguments)
    script = [Completion(text="", tool_calls=(made,), finish_reason="tool_calls"), answer("red")]
    run = Stopped(script, tmp_path / "run", dialect="native")
    run.ask(clip)
    run.go_on({**EDITED, "id": "c1"})
    assistant, tool = run.policy.requests[1].messages[2:]
    assert isinstance(assistant, AIMessage)
    assert isinstance(tool, ToolMessage)
    assert [made["args"] for made in assistant.tool_calls] == [span(5, 5, 1)]
    assert assistant.tool_calls[0]["id"] == tool.tool_call_id == "c1"
    assert run.record.turns[0].edited


def test_a_person_writes_the_call_that_a_phase_would(clip: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    policy = ScriptedPolicy(in_parts(TWO_LOOKS), continuation=True)
    context = Context(calls="phase", record=str(run))
    graph = build_graph(policy, context=context)
    compiled = graph.builder.compile(checkpointer=InMemorySaver(), interrupt_before=["action"])
    compiled.invoke({"video": str(clip), "question": QUESTION}, THREAD)
    compiled.update_state(THREAD, {"calls": [EDITED]})
    compiled.invoke(None, THREAD)
    assert compiled.invoke(None, THREAD)["answer"] == "yellow"
    (record,) = read_records(run)
    first, second, _ = record.turns
    assert (first.edited, second.edited) == (True, False)
    assert first.text == TWO_LOOKS[0].partition("<tool_call>")[0]
    assert record.messages[2]["content"] == TWO_LOOKS[0].replace(
        call(span(0, 8, 2, 0.5)), call(span(5, 5, 1))
    )
    assert [made.requested for made in first.calls] == [span(5, 5, 1)]
    assert first.plan.candidates


@pytest.mark.parametrize(
    "calls",
    [
        [],
        ["frame_select"],
        [{"tool": "frame_select"}],
        [{"tool": 3, "arguments": {}}],
        [{"tool": "frame_select", "arguments": {"start_time": float("nan")}}],
    ],
)
def test_what_is_no_call_is_refused_and_can_be_mended(
    calls: list[Any], clip: Path, tmp_path: Path
) -> None:
    run = Stopped([FIRST, answer("red")], tmp_path / "run")
    run.ask(clip)
    with pytest.raises(InvalidRequest, match="call") as raised:
        run.go_on(*calls)
    assert "\n" not in str(raised.value)
    assert run.go_on(EDITED)["answer"] == "red"
    assert run.record.turns[0].edited


def test_an_edit_inside_a_parent(clip: Path, frames: FrameStore, tmp_path: Path) -> None:
    class Parent(TypedDict, total=False):
        video: str
        question: str
        answer: str | None

    policy = ScriptedPolicy(TWO_LOOKS)
    context = Context(record=str(tmp_path / "run"))
    parent = StateGraph(Parent)
    parent.add_node("video", build_graph(policy, context=context, interrupt_before=["action"]))
    parent.add_edge(START, "video")
    compiled = parent.compile(checkpointer=InMemorySaver())
    compiled.invoke({"video": str(clip), "question": QUESTION}, THREAD)
    for edits in ([EDITED], [{"tool": "seek", "arguments": {"time": 2}}]):
        task = compiled.get_state(THREAD, subgraphs=True).tasks[0]
        assert task.state is not None
        assert not isinstance(task.state, dict)
        compiled.update_state(task.state.config, {"calls": edits})
        output = compiled.invoke(None, THREAD)
    assert output["answer"] == "yellow"
    (record,) = read_records(tmp_path / "run")
    assert [turn.edited for turn in record.turns] == [True, True, False]
    assert record.turns[0].calls[0].frames[0].ref["pts_seconds"] == 5.0
    assert "there is no tool 'seek'" in str(record.turns[1].calls[0].error)


def test_a_fork_leaves_one_course_of_events(clip: Path, tmp_path: Path) -> None:
    run = Stopped(TWO_LOOKS, tmp_path / "run")
    run.ask(clip)
    run.graph.invoke(None, THREAD)
    assert run.graph.invoke(None, THREAD)["answer"] == "yellow"
    assert len(run.record.turns) == 3
    first_stop = list(_stops(run))[-1]
    run.policy._script = [FIRST, answer("other")]
    fork = run.graph.update_state(first_stop, {"calls": [EDITED]})
    assert run.graph.invoke(None, fork)["answer"] == "other"
    record = run.record
    assert [turn.outcome for turn in record.turns] == ["calls", "answer"]
    assert len(record.messages) == 5
    assert record.answer == "other"


def _stops(run: Stopped) -> Iterator[Any]:
    return (
        state.config for state in run.graph.get_state_history(THREAD) if state.next == ("action",)
    )
