"""A process that is asked to stop finishes the running step; the next one goes on."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest
from episodes import QUESTION, TWO_LOOKS
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.errors import GraphDrained
from langgraph.graph import START, StateGraph
from langgraph.runtime import RunControl
from openai_server import OpenAIServer
from postgres_server import postgres_serving
from typing_extensions import TypedDict

from eva_graph import build_graph
from eva_graph.testing import ScriptedPolicy
from eva_graph_tools import Frame, FrameRef, FrameStore

EXAMPLE = Path(__file__).parent.parent.parent / "examples" / "checkpoints.py"
THREAD: Any = {"configurable": {"thread_id": "1"}}


class Parent(TypedDict, total=False):
    video: str
    question: str
    answer: str | None


class CallingStore(FrameStore):
    """Asks for the stop when the first frame of a look is stored."""

    control: RunControl

    def put(self, frame: Frame, video_id: str, encoding: str = "jpeg;q=90") -> FrameRef:
        self.control.request_drain("the machine is needed")
        return super().put(frame, video_id, encoding)


async def drained(graph: Any, given: Any, store: CallingStore, *, awaits: bool, mode: Any) -> None:
    """One run under a control of its own, which its look asks to stop."""
    store.control = RunControl()
    settings = {"durability": mode, "control": store.control}
    if awaits:
        with pytest.raises(GraphDrained, match="the machine is needed"):
            await graph.ainvoke(given, THREAD, **settings)
    else:
        with pytest.raises(GraphDrained, match="the machine is needed"):
            graph.invoke(given, THREAD, **settings)


def compiled(policy: ScriptedPolicy, store: FrameStore, *, embedded: bool) -> Any:
    graph: Any = build_graph(policy, frames=store).builder
    if embedded:
        graph = StateGraph(Parent).add_node("video", graph.compile()).add_edge(START, "video")
    return graph.compile(checkpointer=InMemorySaver())


@pytest.mark.parametrize(
    ("embedded", "mode"), [(False, "sync"), (False, "exit"), (True, "sync"), (True, "async")]
)
@pytest.mark.parametrize("awaits", [False, True])
async def test_the_running_look_is_finished(
    embedded: bool, mode: str, awaits: bool, clip: Path, tmp_path: Path
) -> None:
    policy, store = ScriptedPolicy(TWO_LOOKS), CallingStore(tmp_path / "frames")
    graph = compiled(policy, store, embedded=embedded)
    given: Any = {"video": str(clip), "question": QUESTION}
    for calls in (1, 2):
        await drained(graph, given, store, awaits=awaits, mode=mode)
        state = graph.get_state(THREAD, subgraphs=True)
        inner = state.tasks[0].state if embedded else state
        assert inner.next == ("reflection",)
        assert inner.values["messages"][-1].type == "tool", "the look is in the state"
        assert len(policy.requests) == calls
        given = None
    assert graph.invoke(None, THREAD)["answer"] == "yellow"
    assert len(policy.requests) == 3


async def test_as_a_node_under_exit_the_episode_begins_anew(clip: Path, tmp_path: Path) -> None:
    """LangGraph keeps the parent's state alone."""
    policy, store = ScriptedPolicy(TWO_LOOKS), CallingStore(tmp_path / "frames")
    graph = compiled(policy, store, embedded=True)
    given: Any = {"video": str(clip), "question": QUESTION}
    await drained(graph, given, store, awaits=False, mode="exit")
    store.control = RunControl()
    assert graph.get_state(THREAD).next == ("video",)
    assert graph.invoke(None, THREAD)["answer"] == "yellow"
    assert len(policy.requests) == 1 + 3


@pytest.mark.parametrize(
    "kind",
    [
        pytest.param("sqlite", marks=pytest.mark.slow),
        pytest.param("postgres", marks=pytest.mark.postgres),
    ],
)
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_the_example_goes_on(number: int, kind: str, clip: Path, tmp_path: Path) -> None:
    """The signal comes while the policy writes its reflection on the first look."""
    if kind == "postgres":
        with postgres_serving() as database:
            check_example(number, database, clip, tmp_path)
    else:
        check_example(number, str(tmp_path / "checkpoints.db"), clip, tmp_path)


def check_example(number: int, database: str, clip: Path, folder: Path) -> None:
    asked, goes_on = threading.Event(), threading.Event()

    def script(body: dict[str, Any]) -> str:
        turn = sum(message["role"] == "assistant" for message in body["messages"])
        if turn == 1 and not goes_on.is_set():
            asked.set()
            goes_on.wait(60)
        return TWO_LOOKS[turn]

    with OpenAIServer(script) as server:
        process = start(database, clip, server, folder)
        assert asked.wait(120)
        process.send_signal(number)
        goes_on.set()
        lines = process.communicate(timeout=120)[0].splitlines()
        again = start(database, clip, server, folder).communicate(timeout=120)[0].splitlines()
        assert again[-1] == "yellow"
        if number == signal.SIGTERM:
            assert (process.returncode, lines[-1]) == (0, "stopped before summary")
            assert len(server.requests) == 3, "nothing was asked twice"
        else:
            assert process.returncode == -signal.SIGKILL
            assert len(server.requests) == 4, "the answer that nobody received alone"
        assert "1 summary" not in again
        assert not any(line.endswith("1 action") for line in again)


def start(database: str, clip: Path, server: OpenAIServer, folder: Path) -> subprocess.Popen[str]:
    command = [sys.executable, "-W", "error", str(EXAMPLE), database, "talk", str(clip), QUESTION]
    return subprocess.Popen(
        [*command, server.base_url],
        stdout=subprocess.PIPE,
        text=True,
        cwd=folder,
        env={**os.environ, "XDG_CACHE_HOME": str(folder / "cache")},
    )
