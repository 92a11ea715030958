"""Requests of many threads and tasks, written by one model side by side.

Whoever asks gets a future. One worker thread takes what waits, in order and as far as there is
room, between two tokens of what it writes already: nothing waits for a timer or for others to
end, and a lone request starts at once. Needs the `nano` extra.
"""

from __future__ import annotations

import threading
from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor

from eva_graph.policy.generation import Generation, Writing
from eva_graph.policy.sampling import Sampled


class Batcher:
    """Lets `generation` write what is submitted. Safe for threads."""

    def __init__(self, generation: Generation) -> None:
        self._generation = generation
        self._lock = threading.Lock()
        self._waiting: deque[tuple[Writing, Future[Sampled]]] = deque()
        self._at_work = False
        self._written: dict[Writing, Future[Sampled]] = {}  # the worker's alone
        self._worker = ThreadPoolExecutor(1, thread_name_prefix="eva-graph-policy")

    def submit(self, writing: Writing) -> Future[Sampled]:
        """What will be sampled; cancelled at any time, it drops the sequence.

        The future raises what the model raises: while a prompt is read this concerns that prompt
        alone, later all that is being written.
        """
        future: Future[Sampled] = Future()
        with self._lock:
            self._waiting.append((writing, future))
            if not self._at_work:
                self._at_work = True
                self._worker.submit(self._work)
        return future

    def _work(self) -> None:
        while self._is_needed():
            while (next_one := self._next()) is not None:
                self._join(*next_one)
            if self._written:
                self._step()

    def _is_needed(self) -> bool:
        with self._lock:
            self._at_work = bool(self._written or self._waiting)
            return self._at_work

    def _next(self) -> tuple[Writing, Future[Sampled]] | None:
        with self._lock:
            while self._waiting and self._waiting[0][1].cancelled():
                self._waiting.popleft()
            if self._waiting and self._generation.has_room(self._waiting[0][0]):
                return self._waiting.popleft()
            return None

    def _join(self, writing: Writing, future: Future[Sampled]) -> None:
        try:
            is_over = self._generation.join(writing)
        except Exception as error:  # told to whoever waits for the result
            _fail(future, error)
            return
        if is_over:
            _fulfil(future, writing)
        else:
            self._written[writing] = future

    def _step(self) -> None:
        try:
            for writing in [one for one, future in self._written.items() if future.cancelled()]:
                self._generation.leave(writing)
                del self._written[writing]
            over = self._generation.step()
        except Exception as error:  # told to whoever waits for the results
            self._generation.clear()
            failed = list(self._written.values())
            self._written.clear()
            for future in failed:
                _fail(future, error)
            return
        for writing in over:
            _fulfil(self._written.pop(writing), writing)


def _fulfil(future: Future[Sampled], writing: Writing) -> None:
    if future.set_running_or_notify_cancel():
        future.set_result(writing.sampler.sampled())


def _fail(future: Future[Sampled], error: Exception) -> None:
    if future.set_running_or_notify_cancel():
        future.set_exception(error)
