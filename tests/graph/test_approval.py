"""A person is asked before every look, inside a parent, and her word is what runs."""

from __future__ import annotations

import operator
from pathlib import Path
from typing import Annotated, Any

import pytest
from episodes import QUESTION, TWO_LOOKS, answer, in_parts, look, see, span
from langgraph.checkpoint.sqlite import SqliteSaver
from langgraph.checkpoint.sqlite.aio import AsyncSqliteSaver
from langgraph.graph import START, StateGraph
from langgraph.types import Command, Send
from typing_extensions import TypedDict

from eva_graph import AgentInput, AgentOutput, Context, build_graph
from eva_graph.testing import ScriptedPolicy, clip_colour
from eva_graph.trajectory import read_records

THREAD: Any = {"configurable": {"thread_id": "1"}}
EDITED = {"tool": "frame_select", "arguments": span(5, 5, 1)}


class Spread(TypedDict, total=False):
    video: str
    wishes: list[str]
    answers: Annotated[list[str], operator.add]


def parent(policy: ScriptedPolicy, run: Path, **knobs: Any) -> Any:
    context = Context(record=str(run), **knobs)
    graph = StateGraph(AgentInput, output_schema=AgentOutput)
    graph.add_node("video", build_graph(policy, context=context, approve=True))
    graph.add_edge(START, "video")
    return graph


def asked(clip: Path) -> dict[str, Any]:
    return {"video": str(clip), "question": QUESTION}


def waiting(output: dict[str, Any]) -> Any:
    (interrupt,) = output["__interrupt__"]
    return interrupt.value


def test_a_look_is_approved_or_replaced(clip: Path, tmp_path: Path) -> None:
    policy = ScriptedPolicy(TWO_LOOKS)
    with SqliteSaver.from_conn_string(str(tmp_path / "checkpoints.db")) as saver:
        graph = parent(policy, tmp_path / "run").compile(checkpointer=saver)
        first = waiting(graph.invoke(asked(clip), THREAD))
        assert (first["turn"], first["question"], first["problem"]) == (1, QUESTION, None)
        assert first["calls"][0]["arguments"] == span(0, 8, 2, 0.5)
        assert waiting(graph.invoke(Command(resume=[EDITED]), THREAD))["turn"] == 2
        assert graph.invoke(Command(resume=True), THREAD)["answer"] == "yellow"
    (record,) = read_records(tmp_path / "run")
    assert [turn.edited for turn in record.turns] == [True, False, False]
    assert [call.requested for call in record.turns[0].calls] == [span(5, 5, 1)]
    assert len(policy.requests) == 3, "no turn is written twice"


async def test_an_async_parent_waits_too(clip: Path, tmp_path: Path) -> None:
    policy = ScriptedPolicy([look(span(0, 8, 2)), answer("red")])
    async with AsyncSqliteSaver.from_conn_string(str(tmp_path / "checkpoints.db")) as saver:
        graph = parent(policy, tmp_path / "run").compile(checkpointer=saver)
        assert waiting(await graph.ainvoke(asked(clip), THREAD))["turn"] == 1
        assert (await graph.ainvoke(Command(resume=[EDITED]), THREAD))["answer"] == "red"
    (record,) = read_records(tmp_path / "run")
    assert record.turns[0].edited


@pytest.mark.parametrize(
    ("word", "problem"),
    [
        ("yes", "resume with True"),
        (False, "resume with True"),
        ([], "calls is empty"),
        (["frame_select"], "a call must look like"),
        ([{"tool": "frame_select", "arguments": {"start_time": float("inf")}}], "cannot be kept"),
    ],
)
def test_a_word_that_cannot_be_used_is_asked_for_again(
    word: Any, problem: str, clip: Path, tmp_path: Path
) -> None:
    policy = ScriptedPolicy([look(span(0, 8, 2)), answer("red")])
    with SqliteSaver.from_conn_string(str(tmp_path / "checkpoints.db")) as saver:
        graph = parent(policy, tmp_path / "run").compile(checkpointer=saver)
        graph.invoke(asked(clip), THREAD)
        again = waiting(graph.invoke(Command(resume=word), THREAD))
        assert problem in again["problem"]
        assert again["calls"][0]["arguments"] == span(0, 8, 2)
        assert graph.invoke(Command(resume=True), THREAD)["answer"] == "red"
    (record,) = read_records(tmp_path / "run")
    assert not record.turns[0].edited


def test_a_malformed_turn_is_told_its_error_or_gets_a_call(clip: Path, tmp_path: Path) -> None:
    policy = ScriptedPolicy(["<tool_call>{oops", "<tool_call>{oops", answer("red")])
    with SqliteSaver.from_conn_string(str(tmp_path / "checkpoints.db")) as saver:
        graph = parent(policy, tmp_path / "run").compile(checkpointer=saver)
        assert waiting(graph.invoke(asked(clip), THREAD))["calls"] == []
        graph.invoke(Command(resume=True), THREAD)
        assert graph.invoke(Command(resume=[EDITED]), THREAD)["answer"] == "red"
    (record,) = read_records(tmp_path / "run")
    assert [(turn.edited, len(turn.calls)) for turn in record.turns[:2]] == [(False, 0), (True, 1)]


def test_in_phases_the_person_comes_before_the_call_is_written(clip: Path, tmp_path: Path) -> None:
    policy = ScriptedPolicy(in_parts(TWO_LOOKS), continuation=True)
    with SqliteSaver.from_conn_string(str(tmp_path / "checkpoints.db")) as saver:
        graph = parent(policy, tmp_path / "run", calls="phase").compile(checkpointer=saver)
        assert waiting(graph.invoke(asked(clip), THREAD))["calls"] == []
        graph.invoke(Command(resume=[EDITED]), THREAD)
        assert graph.invoke(Command(resume=True), THREAD)["answer"] == "yellow"
    (record,) = read_records(tmp_path / "run")
    assert [turn.edited for turn in record.turns] == [True, False, False]


def test_several_wait_side_by_side(clip: Path, tmp_path: Path) -> None:
    """Each of a parent's episodes is answered under its interrupt's own id."""
    video = build_graph(ScriptedPolicy(see), approve=True)

    def ask(one: Spread) -> Spread:
        output = video.invoke({"video": one["video"], "question": one["wishes"][0]})
        return {"answers": [output["answer"]]}

    def spread(state: Spread) -> list[Send]:
        return [Send("ask", {**state, "wishes": [wish]}) for wish in state["wishes"]]

    graph = StateGraph(Spread)
    graph.add_node("ask", ask)
    graph.add_conditional_edges(START, spread, ["ask"])
    with SqliteSaver.from_conn_string(str(tmp_path / "checkpoints.db")) as saver:
        compiled = graph.compile(checkpointer=saver)
        given: Any = {"video": str(clip), "wishes": ["At 1?", "At 2?"]}
        waits = compiled.invoke(given, THREAD)["__interrupt__"]
        assert {wait.value["question"] for wait in waits} == {"At 1?", "At 2?"}
        output = compiled.invoke(Command(resume={wait.id: True for wait in waits}), THREAD)
    assert [text.split()[0] for text in output["answers"]] == [clip_colour(1), clip_colour(2)]
