"""The compiled graph as a part of a larger one, under its checkpointer."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterator
from operator import add
from pathlib import Path
from typing import Annotated, Any

import aiosqlite
import pytest
from episodes import QUESTION, TWO_LOOKS, answer, look, see, span
from langchain_core.messages import AnyMessage, HumanMessage
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.checkpoint.sqlite import SqliteSaver
from langgraph.checkpoint.sqlite.aio import AsyncSqliteSaver
from langgraph.graph import START, StateGraph
from langgraph.graph.message import add_messages
from langgraph.types import RetryPolicy, Send
from typing_extensions import TypedDict

from eva_graph import Context, Step, build_graph
from eva_graph.blocks import frames_of
from eva_graph.graph import VideoGraph
from eva_graph.policy.protocol import PolicyRequest
from eva_graph.testing import ScriptedPolicy, clip_colour
from eva_graph.trajectory import read_records
from eva_graph_tools import FrameStore

THREAD: Any = {"configurable": {"thread_id": "1"}}


class Shared(TypedDict, total=False):
    """A parent that shares keys with the agent and has its own messages."""

    messages: Annotated[list[AnyMessage], add_messages]
    video: str
    question: str
    answer: str | None
    evidence: list[dict[str, Any]]
    trajectory_id: str


class Different(TypedDict, total=False):
    """A parent whose words are others."""

    film: str
    wishes: list[str]
    findings: Annotated[list[str], add]


@pytest.fixture
def database(tmp_path: Path) -> Iterator[sqlite3.Connection]:
    connection = sqlite3.connect(tmp_path / "checkpoints.db", check_same_thread=False)
    yield connection
    connection.close()


@pytest.fixture
def graph(frames: FrameStore) -> VideoGraph:
    return build_graph(ScriptedPolicy(TWO_LOOKS), frames=frames)


def sharing(graph: VideoGraph) -> Any:
    parent = StateGraph(Shared)
    parent.add_node("video", graph)
    parent.add_edge(START, "video")
    return parent


def wrapping(graph: VideoGraph) -> Any:
    def ask(state: Different) -> Different:
        asked = [{"video": state["film"], "question": wish} for wish in state["wishes"]]
        return {"findings": [str(graph.invoke(each)["answer"]) for each in asked]}

    parent = StateGraph(Different)
    parent.add_node("ask", ask)
    parent.add_edge(START, "ask")
    return parent


def asked(clip: Path) -> dict[str, Any]:
    return {
        "video": str(clip),
        "question": QUESTION,
        "messages": [HumanMessage("Watch this.", id="1")],
    }


def test_as_a_node_that_shares_keys(
    graph: VideoGraph,
    clip: Path,
    database: sqlite3.Connection,
    caplog: pytest.LogCaptureFixture,
) -> None:
    compiled = sharing(graph).compile(checkpointer=SqliteSaver(database))
    output = compiled.invoke(asked(clip), THREAD)
    assert output["answer"] == "yellow"
    assert output["evidence"][0]["start_seconds"] == 3.0
    assert [message.content for message in output["messages"]] == ["Watch this."]
    again = compiled.invoke({"question": "And at 3?"}, THREAD)
    assert again["answer"] == "yellow"
    assert again["trajectory_id"] != output["trajectory_id"]
    assert [message.content for message in again["messages"]] == ["Watch this."]
    assert caplog.records == [], "strict msgpack logs what it does not know"


async def test_as_a_node_of_an_async_parent(graph: VideoGraph, clip: Path, tmp_path: Path) -> None:
    async with aiosqlite.connect(tmp_path / "checkpoints.db") as connection:
        compiled = sharing(graph).compile(checkpointer=AsyncSqliteSaver(connection))
        output = await compiled.ainvoke(asked(clip), THREAD)
    assert output["answer"] == "yellow"
    assert [message.content for message in output["messages"]] == ["Watch this."]


def test_in_a_wrapper_with_other_words(
    graph: VideoGraph, clip: Path, database: sqlite3.Connection
) -> None:
    compiled = wrapping(graph).compile(checkpointer=SqliteSaver(database))
    output = compiled.invoke({"film": str(clip), "wishes": ["At 3?", "At 3 again?"]}, THREAD)
    assert output["findings"] == ["yellow", "yellow"]


async def test_a_parent_streams_our_steps(graph: VideoGraph, clip: Path) -> None:
    compiled = sharing(graph).compile()
    seen = [
        Step.from_event(part["data"])
        for part in compiled.stream(asked(clip), stream_mode="custom", subgraphs=True, version="v2")
    ]
    assert [step.node for step in seen if step][:4] == ["summary", "plan", "action", "reflection"]


def test_checkpoints_hold_no_pixels(frames: FrameStore, clip: Path, tmp_path: Path) -> None:
    script = [look(span(n % 7, n % 7 + 1, 5)) for n in range(16)] + [answer("red")]
    policy = ScriptedPolicy(script)
    graph = build_graph(policy, frames=frames, context=Context(max_turns=20))
    database = tmp_path / "checkpoints.db"
    with sqlite3.connect(database, check_same_thread=False) as connection:
        compiled = sharing(graph).compile(checkpointer=SqliteSaver(connection))
        assert compiled.invoke(asked(clip), THREAD, durability="sync")["answer"] == "red"
    connection.close()
    shown = list(frames_of(policy.requests[-1].messages))
    assert len(shown) == 16 * 5
    stored = database.read_bytes()
    for ref in set(shown):
        assert frames.read(ref)[200:264] not in stored
    assert b"base64" not in stored
    assert len(stored) < 3_000_000, "64 steps of a transcript of text; with pixels over 6 MB"


@pytest.mark.parametrize("awaits", [False, True])
async def test_many_at_once_in_one_parent(
    awaits: bool, frames: FrameStore, clip: Path, tmp_path: Path
) -> None:
    """A parent sends eight questions side by side; each is an episode of its own."""
    graph = build_graph(ScriptedPolicy(see), frames=frames)

    def ask(state: Different) -> Different:
        output = graph.invoke({"video": state["film"], "question": state["wishes"][0]})
        return {"findings": [f"{output['answer']} {output['trajectory_id']}"]}

    def spread(state: Different) -> list[Send]:
        return [Send("ask", {**state, "wishes": [wish]}) for wish in state["wishes"]]

    parent = StateGraph(Different)
    parent.add_node("ask", ask)
    parent.add_conditional_edges(START, spread, ["ask"])
    wishes = [f"Which colour at {second}" for second in range(8)]
    given: Any = {"film": str(clip), "wishes": wishes}
    if awaits:
        async with aiosqlite.connect(tmp_path / "checkpoints.db") as connection:
            compiled = parent.compile(checkpointer=AsyncSqliteSaver(connection))
            output = await compiled.ainvoke(given, THREAD)
    else:
        output = parent.compile(checkpointer=InMemorySaver()).invoke(given, THREAD)
    told = [finding.split() for finding in output["findings"]]
    assert [(colour, second) for colour, _, second, _ in told] == [
        (clip_colour(second), str(second)) for second in range(8)
    ]
    assert len({trajectory for *_, trajectory in told}) == 8


def test_a_parent_bounds_how_many_run_at_once(frames: FrameStore, clip: Path) -> None:
    lock, two_at_once, running, most = threading.Lock(), threading.Event(), 0, 0

    def script(request: PolicyRequest) -> str:
        nonlocal running, most
        with lock:
            running += 1
            most = max(most, running)
            if running == 2:
                two_at_once.set()
        assert two_at_once.wait(60)
        with lock:
            running -= 1
        return see(request)

    graph = build_graph(ScriptedPolicy(script), frames=frames)

    def ask(state: Different) -> Different:
        output = graph.invoke({"video": state["film"], "question": state["wishes"][0]})
        return {"findings": [output["answer"]]}

    def spread(state: Different) -> list[Send]:
        return [Send("ask", {**state, "wishes": [wish]}) for wish in state["wishes"]]

    parent = StateGraph(Different)
    parent.add_node("ask", ask)
    parent.add_conditional_edges(START, spread, ["ask"])
    given: Any = {"film": str(clip), "wishes": [f"At {second}" for second in range(6)]}
    output = parent.compile().invoke(given, {"max_concurrency": 2})
    assert len(output["findings"]) == 6
    assert most == 2


@pytest.mark.parametrize("checkpointed", [False, True])
def test_a_parent_that_retries_leaves_one_record(
    checkpointed: bool, clip: Path, tmp_path: Path
) -> None:
    """The policy breaks down once, in a way that is no `PolicyError`, after the first look."""
    broken = iter([True])

    def script(request: PolicyRequest) -> str:
        turn = sum(message.type == "ai" for message in request.messages)
        if turn == 1 and next(broken, False):
            raise ConnectionError("a bug")
        return TWO_LOOKS[turn]

    context = Context(record=str(tmp_path / "run"))
    parent = StateGraph(Shared)
    retry = RetryPolicy(initial_interval=0.0, jitter=False)
    graph = build_graph(ScriptedPolicy(script), context=context)
    parent.add_node("video", graph, retry_policy=retry)
    parent.add_edge(START, "video")
    saver = InMemorySaver() if checkpointed else None
    output = parent.compile(checkpointer=saver).invoke(asked(clip), THREAD)
    assert output["answer"] == "yellow"
    (record,) = read_records(tmp_path / "run")
    assert [turn.text for turn in record.turns] == list(TWO_LOOKS)
    assert len({message["id"] for message in record.messages}) == len(record.messages) == 7


def test_a_person_may_look_in_between_two_rounds(
    frames: FrameStore, clip: Path, database: sqlite3.Connection
) -> None:
    """An update of the state between reflection and summary does not start the episode anew."""
    policy = ScriptedPolicy(TWO_LOOKS)
    graph = build_graph(policy, frames=frames, interrupt_before=["summary"])
    compiled = sharing(graph).compile(checkpointer=SqliteSaver(database))
    compiled.invoke(asked(clip), THREAD)
    for _ in range(2):
        task = compiled.get_state(THREAD, subgraphs=True).tasks[0]
        compiled.update_state(task.state.config, {"spent": task.state.values.get("spent")})
        output = compiled.invoke(None, THREAD)
    assert output["answer"] == "yellow"
    assert len(policy.requests) == 3
    assert len({request.conversation_id for request in policy.requests}) == 1
