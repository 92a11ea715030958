"""`IsolatedReader`: a video file read in worker processes, for files one does not trust."""

import weakref
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from eva_graph_tools.deadline import Deadline
from eva_graph_tools.errors import DecodeError
from eva_graph_tools.indexing.cache import cache_folder, keep_index, load_index
from eva_graph_tools.isolation.checks import read_opened, read_reply, reply_bytes
from eva_graph_tools.isolation.crew import Crew
from eva_graph_tools.isolation.limits import Limits, require_support
from eva_graph_tools.isolation.process import Worker, command
from eva_graph_tools.reader import Opened, Reply

DEFAULT_LIMITS = Limits()


def open_isolated(
    path: Path, *, timeout_seconds: float | None = None, limits: Limits = DEFAULT_LIMITS
) -> "IsolatedReader":
    """Open a video file in a worker process and read it there.

    Args:
        path: the file.
        timeout_seconds: how long opening may take; None is `limits.timeout_seconds`, 60.
        limits: what each of its worker processes may use.

    Raises:
        DecodeTimeout: it took longer.
        UnsupportedMedia: not a video of a supported kind.
        DecodeError: no frame can be decoded, or the decoder crashed or ran out of memory.
        EvaGraphError: the system cannot limit processes.
    """
    require_support()
    return IsolatedReader(path, command(), timeout_seconds=timeout_seconds, limits=limits)


class IsolatedReader:
    """See `Reader`. Up to `limits.workers` calls run side by side, each in a process of its own.

    A call that is late or whose process crashes costs that process: the next call starts another,
    opens the file again and makes sure that it is still the same one. The processes end with
    `close`, with the reader, or with this process.
    """

    def __init__(
        self,
        path: Path,
        argv: Sequence[str],
        *,
        timeout_seconds: float | None = None,
        limits: Limits = DEFAULT_LIMITS,
    ) -> None:
        """Start workers by `argv`; see `open_isolated`."""
        self._limits = limits
        worker = Worker(argv, path)
        try:
            self.opened = worker.open(
                limits, self._deadline(timeout_seconds), partial(read_opened, path)
            )
        except BaseException:
            worker.stop()
            raise
        _remember(self.opened)
        hire = partial(_hire, argv, limits, self.opened)
        self._crew = Crew(path.name, hire, worker, limits.workers)
        self._finalizer = weakref.finalize(self, self._crew.close)

    def perform(
        self,
        operation: str,
        arguments: Mapping[str, Any],
        *,
        timeout_seconds: float | None = None,
    ) -> Reply:
        """See `Reader`; without `timeout_seconds` a call may take `limits.timeout_seconds`."""
        deadline = self._deadline(timeout_seconds)
        with self._crew.lend(deadline) as worker:
            return worker.ask(
                {
                    "operation": operation,
                    "arguments": dict(arguments),
                    "timeout_seconds": deadline.left(),
                },
                deadline,
                partial(read_reply, operation, arguments, self.opened),
                max_array_bytes=reply_bytes(operation, arguments, self._limits),
            )

    def close(self) -> None:
        """See `Reader`. Calls that still run fail."""
        self._crew.close()

    def _deadline(self, timeout_seconds: float | None) -> Deadline:
        if timeout_seconds is None:
            timeout_seconds = self._limits.timeout_seconds
        return Deadline.after(timeout_seconds)


def _remember(opened: Opened) -> None:
    """Keep an index that a worker, which may not write, had to scan for."""
    folder = cache_folder()
    if folder is None or "mp4" in opened.info.container:
        return
    if load_index(folder, opened.video_id, opened.path) is None:
        keep_index(folder, opened.video_id, opened.path, opened.index)


def _hire(argv: Sequence[str], limits: Limits, known: Opened, deadline: Deadline) -> Worker:
    """Another worker for a file that has been opened before."""
    worker = Worker(argv, known.path)
    try:
        opened = worker.open(limits, deadline, partial(read_opened, known.path))
        if not _same(opened, known):
            raise DecodeError(f"{known.path.name}: the file has changed, open it again")
    except BaseException:
        worker.stop()
        raise
    return worker


def _same(opened: Opened, known: Opened) -> bool:
    return opened.video_id == known.video_id and np.array_equal(
        opened.index.shown_pts, known.index.shown_pts
    )
