"""Asks an evaluation's units on a Ray cluster: one task a video, results exactly once.

What travels to a worker are plain values: a unit and a `RemoteAsker`. What comes back is each
record, as soon as the worker has it on disk in the run directory, which all machines share. Ray's
own retries are off. When a worker is lost, its records are looked up in the run first, finished
episodes of its journal included, and only what has none is asked anew; should a worker that was
taken for dead write one after all, the newer record of a question counts, as everywhere.
"""

from __future__ import annotations

import asyncio
import logging
import os
import socket
from collections.abc import AsyncIterator, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from queue import SimpleQueue
from typing import Any, Final

from eva_graph.errors import EvaGraphError, InvalidRequest, MissingExtra
from eva_graph.evaluation.asker import Asker, context_of, make_asker
from eva_graph.evaluation.asking import OnRecord, ask_videos
from eva_graph.evaluation.failed_episodes import record_failure
from eva_graph.evaluation.plan import PLAN_FILE, EvaluationSettings
from eva_graph.evaluation.video_questions import VideoQuestions
from eva_graph.policy.resolve import resolve_policy
from eva_graph.trajectory import RunStore, Trajectory

LOCAL: Final = "local"
"""The address of a cluster of this machine's cores, started for the evaluation alone."""
_ATTEMPTS: Final = 3
_CONNECT_SECONDS: Final = 10
_STORE_BYTES: Final = 128 * 1024**2
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class RemoteAsker:
    """The plain values of which any process makes the asker.

    Attributes:
        settings: of the evaluation's plan.
        policy: server URL or model folder; None for the embedded one. A folder is loaded by every
            worker, so a model of real size belongs behind a server.
        model: its name at the server.
        run: the run directory, which all machines of the cluster share.
        isolated: read videos in processes of their own.
    """

    settings: EvaluationSettings
    policy: str | None
    model: str | None
    run: Path
    isolated: bool = False


async def ask_on_ray(
    units: Sequence[VideoQuestions],
    on_record: OnRecord,
    *,
    asker: RemoteAsker,
    concurrency: int,
    address: str = LOCAL,
) -> None:
    """Ask everything, a task for each video; the rest is as with `ask_videos`.

    Args:
        units: what to ask; begun in this order.
        on_record: called in this process.
        asker: what the workers make theirs of.
        concurrency: questions at a time on the whole cluster, shared out evenly to as many videos
            at a time as it has cores; no more tasks than that are handed to Ray.
        address: of the cluster, as `ray.init` takes it; a local one is shut down at the end.

    Raises:
        MissingExtra: Ray is not installed.
        InvalidRequest: no cluster at the address, a concurrency below 1, or a machine that does
            not see the run directory or a video.
        EvaGraphError: as `ask_videos`; what else was being asked is broken off.
    """
    if concurrency < 1:
        raise InvalidRequest(f"--concurrency must be at least 1, not {concurrency}")
    with _connected(address) as ray:
        cores = int(ray.cluster_resources().get("CPU", 1))
        workers = max(1, min(cores, concurrency, len(units)))
        placed = replace(asker, run=asker.run.absolute(), policy=_policy_everywhere(asker.policy))
        driver = _Driver(ray, placed, on_record, share=concurrency // workers)
        slots = asyncio.Semaphore(workers)

        async def ask(unit: VideoQuestions) -> None:
            try:
                await driver.ask(unit)
            finally:
                slots.release()

        try:
            async with asyncio.TaskGroup() as group:
                for unit in units:
                    await slots.acquire()
                    group.create_task(ask(unit))
        except ExceptionGroup as failures:
            raise failures.exceptions[0] from None


def ask_unit(unit: VideoQuestions, asker: RemoteAsker, concurrency: int) -> Iterator[str]:
    """The task: lines of the records of a unit, each when it is on disk. Runs in a worker.

    Raises:
        EvaGraphError: as `ask_videos`; `InvalidRequest` where this machine lacks a file.
    """
    for needed in (asker.run / PLAN_FILE, Path(unit.video)):
        if not needed.exists():
            raise InvalidRequest(
                f"{socket.gethostname()} does not see {needed}: every machine of the cluster needs "
                "the run directory and the videos under the same paths"
            )
    lines: SimpleQueue[str | None] = SimpleQueue()

    async def on_record(_: object, record: Trajectory) -> None:
        lines.put(record.to_line())

    work = ask_videos([unit], on_record, asker=_asker(asker), concurrency=concurrency)
    with ThreadPoolExecutor(1) as pool:
        asked = pool.submit(asyncio.run, work)
        asked.add_done_callback(lambda _: lines.put(None))
        while (line := lines.get()) is not None:  # Ray sends into this generator
            yield line
        asked.result()


@cache
def _asker(of: RemoteAsker) -> Asker:
    """A worker's asker; it outlives a task, so that a policy is loaded or probed once a process."""
    policy = resolve_policy(of.policy, model=of.model)
    return make_asker(of.settings, policy, of.run, isolated=of.isolated)


class _Driver:
    """Asks units through workers that may be lost, and knows which questions have a record."""

    def __init__(self, ray: Any, asker: RemoteAsker, on_record: OnRecord, *, share: int) -> None:
        options = {"num_cpus": 1, "max_retries": 0, "num_returns": "streaming"}
        self._task = ray.remote(**options)(ask_unit)
        self._ray = ray
        self._asker = asker
        self._on_record = on_record
        self._share = share
        self._store = RunStore(asker.run)
        self._seen = set(self._store.ids())
        self._told: set[str] = set()
        self._one_looks = asyncio.Lock()

    async def ask(self, unit: VideoQuestions) -> None:
        """Ask a unit to its end, whatever becomes of the workers.

        A question that costs three workers in a row is given up: that is its record.
        """
        left, fruitless = unit, 0
        while left.questions:
            lost = await self._attempt(left, 1 if fruitless else self._share)
            if lost is None:
                return
            await self._look_up(left)
            before, left = len(left.questions), self._untold(left)
            fruitless = fruitless + 1 if len(left.questions) == before else 0
            _log.warning("a Ray worker was lost; what it had not finished is asked again")
            if fruitless == _ATTEMPTS:
                await self._give_up(left, lost)
                left, fruitless = self._untold(left), 0

    async def _attempt(self, unit: VideoQuestions, concurrency: int) -> Exception | None:
        """Hand a unit to Ray; how the worker was lost, or None: all is told."""
        lost: tuple[type[Exception], ...] = (
            self._ray.exceptions.WorkerCrashedError,
            self._ray.exceptions.NodeDiedError,
            self._ray.exceptions.LocalRayletDiedError,
            self._ray.exceptions.OutOfMemoryError,
            self._ray.exceptions.ObjectLostError,
        )
        try:
            async for line in self._lines(unit, concurrency):
                await self._tell(unit, await asyncio.to_thread(Trajectory.from_line, line))
        except self._ray.exceptions.RayTaskError as error:
            raise _cause(error) from None
        except lost as error:
            return error
        return None

    async def _lines(self, unit: VideoQuestions, concurrency: int) -> AsyncIterator[str]:
        stream = self._task.remote(_everywhere(unit), self._asker, concurrency)
        try:
            async for reference in stream:
                yield await reference
        except asyncio.CancelledError:
            self._ray.cancel(stream, force=True)
            raise

    async def _tell(self, unit: VideoQuestions, record: Trajectory) -> None:
        self._seen.add(record.trajectory_id)
        for question in self._untold(unit).questions:
            if question.question_id == record.question_id:
                self._told.add(question.question_id)
                await self._on_record(question, record)

    def _untold(self, unit: VideoQuestions) -> VideoQuestions:
        left = (one for one in unit.questions if one.question_id not in self._told)
        return replace(unit, questions=tuple(left))

    async def _look_up(self, unit: VideoQuestions) -> None:
        """Tell of the records that a lost worker left in the run and did not report."""
        async with self._one_looks:
            await asyncio.to_thread(self._store.recover)
            for trajectory_id in await asyncio.to_thread(self._store.ids):
                if trajectory_id not in self._seen:
                    record = await asyncio.to_thread(self._store.get, trajectory_id)
                    if record.question_id in {one.question_id for one in unit.questions}:
                        await self._tell(unit, record)

    async def _give_up(self, unit: VideoQuestions, lost: Exception) -> None:
        """Write that the question that was asked alone cannot be asked."""
        reason = EvaGraphError(f"lost {_ATTEMPTS} Ray workers in a row: {_first_line(lost)}")
        context = context_of(self._asker.settings)
        record = await asyncio.to_thread(
            record_failure, self._store, unit.questions[0], reason, context, None
        )
        await self._tell(unit, record)


@contextmanager
def _connected(address: str) -> Iterator[Any]:
    """Ray, connected; a connection that the caller has is used and left open."""
    try:
        import ray
    except ModuleNotFoundError:
        raise MissingExtra('--ray needs Ray: pip install "eva-graph[ray]"') from None
    if ray.is_initialized():
        yield ray
        return
    options: dict[str, Any] = {"log_to_driver": False, "logging_level": logging.ERROR}
    if address == LOCAL:
        os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
        options |= {"include_dashboard": False, "object_store_memory": _STORE_BYTES}
    try:
        _check_listens(address)
        ray.init(address, **options)
    except (OSError, ValueError, RuntimeError) as error:
        raise InvalidRequest(f"no Ray cluster at {address}: {_first_line(error)}") from None
    try:
        yield ray
    finally:
        ray.shutdown()


def _check_listens(address: str) -> None:
    """Raises `OSError` where nobody listens: Ray itself would try for many minutes."""
    host, colon, port = address.rpartition("://")[2].rpartition(":")
    if colon and port.isdecimal():
        socket.create_connection((host, int(port)), timeout=_CONNECT_SECONDS).close()


def _everywhere(unit: VideoQuestions) -> VideoQuestions:
    """The unit for processes with another working directory."""
    video = str(Path(unit.video).absolute())
    subtitles = unit.subtitles and str(Path(unit.subtitles).absolute())
    questions = (replace(one, video=video, subtitles=subtitles) for one in unit.questions)
    return VideoQuestions(video=video, subtitles=subtitles, questions=tuple(questions))


def _policy_everywhere(policy: str | None) -> str | None:
    if policy is None or policy.startswith(("http://", "https://")):
        return policy
    return str(Path(policy).expanduser().absolute())


def _cause(error: Any) -> Exception:
    """What a task raised, without Ray's account of it, where it is one of our own errors."""
    cause: Exception = error.cause if isinstance(error.cause, EvaGraphError) else error
    return cause


def _first_line(error: Exception) -> str:
    return str(error).strip().partition("\n")[0]
