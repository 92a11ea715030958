"""Asks the questions of videos: bounded, a video's questions together, every record on disk.

`ask_videos` is the whole machinery around an `Asker` and all that another scheduler needs: one unit
of work or many, in any process that reaches the run.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import asynccontextmanager

from eva_graph.errors import InvalidRequest
from eva_graph.evaluation.asker import Asker
from eva_graph.evaluation.questions import EvalQuestion
from eva_graph.evaluation.video_questions import VideoQuestions
from eva_graph.trajectory import Trajectory
from eva_graph.videos import OpenVideos
from eva_graph_tools import ToolError

OnRecord = Callable[[EvalQuestion, Trajectory], Awaitable[None]]
"""Told of every record as it is written; raises what shall end the evaluation."""


async def ask_videos(
    units: Iterable[VideoQuestions], on_record: OnRecord, *, asker: Asker, concurrency: int
) -> None:
    """Ask everything, in order, at most `concurrency` questions at a time.

    A video stays open from its first question to its last; the next one is begun when there is
    nothing left to begin of this one. Memory holds what is being asked, and no record longer than
    `on_record` takes.

    Raises:
        PolicyError: the policy cannot be reached; nothing was asked.
        EvaGraphError: as the asker and `on_record` do; what else was being asked is broken off.
        InvalidRequest: a concurrency below 1.
    """
    if concurrency < 1:
        raise InvalidRequest(f"--concurrency must be at least 1, not {concurrency}")
    await asyncio.to_thread(asker.check)
    slots = asyncio.Semaphore(concurrency)
    try:
        async with asyncio.TaskGroup() as group:
            for unit in units:
                all_begun = asyncio.Event()
                group.create_task(_ask_unit(unit, asker, slots, all_begun, on_record))
                await all_begun.wait()
    except ExceptionGroup as failures:
        raise _first(failures) from None


async def _ask_unit(
    unit: VideoQuestions,
    asker: Asker,
    slots: asyncio.Semaphore,
    all_begun: asyncio.Event,
    on_record: OnRecord,
) -> None:
    async def ask(question: EvalQuestion) -> None:
        try:
            await on_record(question, await asker.ask(question))
        finally:
            slots.release()

    async with _kept_open(asker.videos, unit), asyncio.TaskGroup() as group:
        for question in unit.questions:
            await slots.acquire()
            group.create_task(ask(question))
        all_begun.set()


@asynccontextmanager
async def _kept_open(videos: OpenVideos, unit: VideoQuestions) -> AsyncIterator[None]:
    """Holds a video open for its questions; of one that cannot be opened each says so itself."""
    hold = videos.use(unit.video, unit.subtitles)
    try:
        await asyncio.to_thread(hold.__enter__)
    except ToolError:
        yield
        return
    try:
        yield
    finally:
        await asyncio.to_thread(hold.__exit__, None, None, None)


def _first(failures: ExceptionGroup[Exception]) -> Exception:
    first = failures.exceptions[0]
    return _first(first) if isinstance(first, ExceptionGroup) else first
