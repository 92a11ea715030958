"""An episode in a process of its own that SIGKILL ends in the middle of a look.

Its checkpoints go to SQLite or PostgreSQL, by the sync or the async saver. A slow database is one
whose write number N never ends: whatever follows is lost with the process.
"""

from __future__ import annotations

import asyncio
import json
import multiprocessing
import os
import signal
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from episodes import QUESTION, TWO_LOOKS
from langchain_core.runnables import RunnableConfig
from langgraph.checkpoint.postgres import PostgresSaver
from langgraph.checkpoint.postgres.aio import AsyncPostgresSaver
from langgraph.checkpoint.sqlite import SqliteSaver
from langgraph.checkpoint.sqlite.aio import AsyncSqliteSaver
from langgraph.errors import EmptyInputError

from eva_graph import build_graph
from eva_graph.policy.protocol import Completion, PolicyRequest
from eva_graph.testing import ScriptedPolicy
from eva_graph_tools import Frame, FrameRef, FrameStore

THREAD: RunnableConfig = {"configurable": {"thread_id": "1"}}
LOOK_FRAMES = (2, 1)
"""Frames of the two looks of the script."""
_PROCESSES = multiprocessing.get_context("forkserver")
_PROCESSES.set_forkserver_preload(
    [
        "eva_graph.testing",
        "eva_graph.policy.resolve",
        "langgraph.checkpoint.postgres.aio",
        "langgraph.checkpoint.sqlite.aio",
    ]
)


@dataclass(frozen=True, kw_only=True)
class Run:
    """How the process runs, and when it dies.

    Attributes:
        folder: keeps frames, the policy's log and the answer.
        database: a file, or a PostgreSQL address.
        video: None goes on with what was asked.
        awaits: `ainvoke` and the async saver.
        dies_at_frame: which frame, of all that are stored, kills the process; 0 is none.
        stuck_after: so many database writes end (sync SQLite saver); None is all of them.
    """

    folder: Path
    database: str
    video: Path | None = None
    awaits: bool = False
    durability: Literal["sync", "async", "exit"] = "sync"
    dies_at_frame: int = 0
    stuck_after: int | None = None

    def start(self) -> dict[str, Any] | None:
        """The output, or None where the process was killed."""
        process = _PROCESSES.Process(target=_episode, args=(self,))
        process.start()
        process.join()
        if process.exitcode == -signal.SIGKILL:
            return None
        assert process.exitcode == 0
        output: dict[str, Any] = json.loads((self.folder / "output.json").read_text())
        return output

    @property
    def calls(self) -> int:
        """How often the policy was asked so far, in all processes."""
        return len((self.folder / "policy.log").read_text().splitlines())


class DeadlyStore(FrameStore):
    """Kills the process when it is given frame number `last`."""

    def __init__(self, root: Path, last: int) -> None:
        super().__init__(root)
        self._left = last

    def put(self, frame: Frame, video_id: str, encoding: str = "jpeg;q=90") -> FrameRef:
        self._left -= 1
        if self._left == 0:
            os.kill(os.getpid(), signal.SIGKILL)
        return super().put(frame, video_id, encoding)


class LoggedPolicy(ScriptedPolicy):
    """Writes down that it was asked."""

    def __init__(self, log: Path) -> None:
        super().__init__(TWO_LOOKS)
        self._log = log

    def generate(self, request: PolicyRequest) -> Completion:
        with self._log.open("a") as log:
            log.write("asked\n")
        return super().generate(request)


class StuckSaver(SqliteSaver):
    """A database that takes so many writes and then no more."""

    writes_left: int | None = None

    def put(self, *arguments: Any) -> RunnableConfig:
        self._pass()
        return super().put(*arguments)

    def put_writes(self, *arguments: Any) -> None:
        self._pass()
        super().put_writes(*arguments)

    def _pass(self) -> None:
        if self.writes_left is not None:
            self.writes_left -= 1
            if self.writes_left < 0:
                threading.Event().wait()


@contextmanager
def saver(database: str, stuck_after: int | None = None) -> Iterator[Any]:
    if database.startswith("postgresql://"):
        with PostgresSaver.from_conn_string(database) as postgres:
            postgres.setup()
            yield postgres
    else:
        with StuckSaver.from_conn_string(database) as sqlite:
            assert isinstance(sqlite, SqliteSaver)
            stuck = StuckSaver(sqlite.conn)
            stuck.writes_left = stuck_after
            yield stuck


@asynccontextmanager
async def async_saver(database: str) -> AsyncIterator[Any]:
    if database.startswith("postgresql://"):
        async with AsyncPostgresSaver.from_conn_string(database) as postgres:
            await postgres.setup()
            yield postgres
    else:
        async with AsyncSqliteSaver.from_conn_string(database) as sqlite:
            yield sqlite


def _episode(run: Run) -> None:
    frames = DeadlyStore(run.folder / "frames", run.dies_at_frame)
    graph = build_graph(LoggedPolicy(run.folder / "policy.log"), frames=frames).builder
    asked: Any = None if run.video is None else {"video": str(run.video), "question": QUESTION}
    try:
        output = asyncio.run(_awaited(graph, asked, run)) if run.awaits else _run(graph, asked, run)
    except EmptyInputError as error:
        output = {"nothing_kept": str(error)}
    (run.folder / "output.json").write_text(json.dumps(output))


def _run(graph: Any, asked: Any, run: Run) -> Any:
    with saver(run.database, run.stuck_after) as opened:
        return graph.compile(checkpointer=opened).invoke(asked, THREAD, durability=run.durability)


async def _awaited(graph: Any, asked: Any, run: Run) -> Any:
    async with async_saver(run.database) as opened:
        compiled = graph.compile(checkpointer=opened)
        return await compiled.ainvoke(asked, THREAD, durability=run.durability)
