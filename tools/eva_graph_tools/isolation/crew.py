"""`Crew`: the workers of one video, at most so many, each lent to one caller at a time."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from eva_graph_tools.deadline import Deadline
from eva_graph_tools.errors import DecodeError, DecodeTimeout
from eva_graph_tools.isolation.process import Worker


class Crew:
    """Thread safe."""

    def __init__(
        self, name: str, hire: Callable[[Deadline], Worker], first: Worker, size: int
    ) -> None:
        """`hire` starts a worker that has the file open; `first` is the one there is already."""
        self._name = name
        self._hire = hire
        self._turns = threading.BoundedSemaphore(size)
        self._lock = threading.Lock()
        self._idle = [first]
        self._busy: set[Worker] = set()
        self._closed = False

    @contextmanager
    def lend(self, deadline: Deadline) -> Iterator[Worker]:
        """A worker for the caller's sole use; one that went wrong is killed afterwards.

        Raises:
            DecodeTimeout: none was free in time.
            DecodeError: the video is closed.
            ToolError: what a fresh worker makes of the file.
        """
        if not self._turns.acquire(timeout=deadline.remaining_seconds):
            raise DecodeTimeout(f"{self._name}: other calls took all of timeout_seconds")
        try:
            worker = self._take() or self._started(deadline)
            try:
                yield worker
            except DecodeError as error:
                self._require_open(error)
                raise
            finally:
                self._give_back(worker)
        finally:
            self._turns.release()

    def close(self) -> None:
        """Kill and reap all workers, also those that are at work; closing twice is fine."""
        with self._lock:
            self._closed = True
            idle, self._idle = self._idle, []
            busy, self._busy = self._busy, set()
        for worker in busy:
            worker.kill()  # whoever asked it something sees it end, and then closes its pipes
        for worker in idle:
            worker.stop()

    def _take(self) -> Worker | None:
        with self._lock:
            self._require_open()
            while self._idle:
                worker = self._idle.pop()
                if worker.usable:
                    self._busy.add(worker)
                    return worker
                worker.stop()
        return None

    def _started(self, deadline: Deadline) -> Worker:
        worker = self._hire(deadline)
        with self._lock:
            if not self._closed:
                self._busy.add(worker)
                return worker
        worker.stop()
        raise self._closed_error()

    def _give_back(self, worker: Worker) -> None:
        with self._lock:
            self._busy.discard(worker)
            if worker.usable and not self._closed:
                self._idle.append(worker)
                return
        worker.stop()

    def _require_open(self, cause: DecodeError | None = None) -> None:
        if self._closed:
            raise self._closed_error() from cause

    def _closed_error(self) -> DecodeError:
        return DecodeError(f"{self._name}: the video is closed, open it again")
