"""An episode in a process of its own, which dies where it is told to.

`in_new_process` starts one from a fork server that has imported everything and started nothing:
as new as a process can be, without the seconds that imports take.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import multiprocessing
import os
import sqlite3
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import aiosqlite
from episodes import QUESTION, TWO_LOOKS, in_parts
from langchain_core.runnables import RunnableConfig
from langgraph.checkpoint.base import ChannelVersions, Checkpoint, CheckpointMetadata
from langgraph.checkpoint.sqlite import SqliteSaver
from langgraph.checkpoint.sqlite.aio import AsyncSqliteSaver
from langgraph.graph import START, StateGraph
from typing_extensions import TypedDict

from eva_graph import Context, EvaGraphError, build_graph
from eva_graph.blocks import frames_of
from eva_graph.policy.protocol import Completion, PolicyRequest
from eva_graph.testing import ScriptedPolicy

CRASHED = 9
THREAD: RunnableConfig = {"configurable": {"thread_id": "1"}}
_PROCESSES = multiprocessing.get_context("forkserver")
_PROCESSES.set_forkserver_preload(
    ["eva_graph.testing", "eva_graph.policy.resolve", "langgraph.checkpoint.sqlite.aio"]
)


class Parent(TypedDict, total=False):
    """State of a graph that embeds the agent: its own key beside the shared ones."""

    video: str
    question: str
    answer: str | None
    ready: bool


class Fuse:
    """Counts events and ends the process at one of them."""

    def __init__(self, event: str, number: int) -> None:
        self._last = (event, number)
        self.counts: Counter[str] = Counter()

    def passes(self, event: str) -> None:
        self.counts[event] += 1
        if (event, self.counts[event]) == self._last:
            os._exit(CRASHED)


class FusedPolicy(ScriptedPolicy):
    """Loads every frame, checks its hash, and writes down that it was called."""

    def __init__(self, folder: Path, fuse: Fuse, *, phases: bool) -> None:
        super().__init__(in_parts(TWO_LOOKS) if phases else TWO_LOOKS, continuation=phases)
        self._log = folder / "policy.log"
        self._fuse = fuse

    def generate(self, request: PolicyRequest) -> Completion:
        for ref in frames_of(request.messages):
            assert hashlib.sha256(request.load_frame(ref)).hexdigest() == ref.sha256
        self._fuse.passes("before policy")
        with self._log.open("a") as log:
            log.write("called\n")
        completion = super().generate(request)
        self._fuse.passes("after policy")
        return completion


class FusedSaver(SqliteSaver):
    """Dies before or after a node's writes, or after a checkpoint, is on disk."""

    fuse: Fuse

    def put_writes(
        self, config: RunnableConfig, writes: Sequence[Any], task_id: str, task_path: str = ""
    ) -> None:
        self.fuse.passes("before writes")
        super().put_writes(config, writes, task_id, task_path)
        self.fuse.passes("after writes")

    def put(
        self,
        config: RunnableConfig,
        checkpoint: Checkpoint,
        metadata: CheckpointMetadata,
        new_versions: ChannelVersions,
    ) -> RunnableConfig:
        saved = super().put(config, checkpoint, metadata, new_versions)
        self.fuse.passes("checkpoint")
        return saved


def in_new_process(
    folder: Path,
    video: Path | None = None,
    *,
    question: str = QUESTION,
    event: str = "never",
    number: int = 0,
    mode: str = "top",
) -> dict[str, Any] | None:
    """Ask, or without a video resume what was asked; None where the process died as told.

    Args:
        folder: keeps checkpoints, the run's record and the policy's log.
        mode: `top`, `late` (checkpoints are written beside the next step, as is LangGraph's
            default), `phases`, `embedded` in a parent graph, or `async`.
    """
    asked = None if video is None else {"video": str(video), "question": question}
    process = _PROCESSES.Process(
        target=_episode, args=(str(folder), asked, Fuse(event, number), mode)
    )
    process.start()
    process.join()
    if process.exitcode == CRASHED:
        return None
    assert process.exitcode == 0
    result: dict[str, Any] = json.loads((folder / "result.json").read_text())
    return result


def _episode(folder_name: str, asked: Any, fuse: Fuse, mode: str) -> None:
    folder = Path(folder_name)
    phases = mode == "phases"
    context = Context(record=str(folder / "run"), calls="phase" if phases else "turn")
    graph: Any = build_graph(FusedPolicy(folder, fuse, phases=phases), context=context).builder
    if mode == "embedded":
        parent = StateGraph(Parent)
        parent.add_node("before", lambda state: {"ready": True})
        parent.add_node("video", graph.compile())
        parent.add_edge(START, "before")
        parent.add_edge("before", "video")
        graph = parent
    try:
        if mode == "async":
            output = asyncio.run(_ainvoke(graph, asked, folder))
        else:
            with sqlite3.connect(folder / "checkpoints.db", check_same_thread=False) as connection:
                saver = FusedSaver(connection)
                saver.fuse = fuse
                compiled = graph.compile(checkpointer=saver)
                durability = "async" if mode == "late" else "sync"
                output = compiled.invoke(asked, THREAD, durability=durability)
    except EvaGraphError as error:
        output = {"raised": type(error).__name__, "error": str(error)}
    (folder / "result.json").write_text(json.dumps({**output, "events": fuse.counts}))


async def _ainvoke(graph: Any, asked: Any, folder: Path) -> Any:
    async with aiosqlite.connect(folder / "checkpoints.db") as connection:
        compiled = graph.compile(checkpointer=AsyncSqliteSaver(connection))
        return await compiled.ainvoke(asked, THREAD, durability="sync")
