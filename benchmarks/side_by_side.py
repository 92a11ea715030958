"""Methods in processes of their own, asked for the same jobs in turn.

Every round asks every method once, in shuffled order, so that a machine that is busy for a while
slows all of them; figures are medians over the rounds.
"""

import json
import os
import random
import select
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from statistics import median
from typing import Any

_START_SECONDS = 120.0
_JOB_SECONDS = 600.0


class Worker:
    """One method in its process. `missing` says why it cannot be measured, if it cannot."""

    def __init__(self, method: str, script: str = "worker.py") -> None:
        self.method, self._script = method, script
        self._home = tempfile.TemporaryDirectory()
        self._start()

    def _start(self) -> None:
        environment = os.environ | {
            "XDG_CACHE_HOME": self._home.name,
            "OMP_NUM_THREADS": "1",
            "PYTHONUNBUFFERED": "1",
        }
        self._process = subprocess.Popen(
            [sys.executable, str(Path(__file__).with_name(self._script)), self.method],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=environment,
            text=True,
        )
        self.missing: str | None = self._reply(_START_SECONDS).get("missing")

    def ask(self, *, timeout_seconds: float = _JOB_SECONDS, **request: Any) -> dict[str, Any]:
        """Send a request and wait for its reply.

        Raises:
            WorkerLost: it crashed, or took longer; `restart` before it is asked again.
        """
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(json.dumps(request) + "\n")
            self._process.stdin.flush()
        except BrokenPipeError as error:
            raise WorkerLost(f"{self.method}: its process has ended") from error
        return self._reply(timeout_seconds)

    def restart(self) -> None:
        """Go on with a new process."""
        self._end()
        self._start()

    def close(self) -> None:
        """End the process."""
        self._end()
        self._home.cleanup()

    def _end(self) -> None:
        self._process.kill()
        self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                with suppress(BrokenPipeError):
                    pipe.close()

    def _reply(self, timeout_seconds: float) -> dict[str, Any]:
        assert self._process.stdout is not None
        ready, _, _ = select.select([self._process.stdout], [], [], timeout_seconds)
        if not ready:
            self._process.kill()
            raise WorkerLost(f"{self.method}: no reply within {timeout_seconds:g} s")
        line = self._process.stdout.readline()
        if not line:
            raise WorkerLost(f"{self.method}: its process ended with {self._process.wait()}")
        reply: dict[str, Any] = json.loads(line)
        return reply


class WorkerLost(Exception):
    """The process of a method crashed or hung."""


@contextmanager
def workers(methods: Sequence[str], script: str = "worker.py") -> Iterator[dict[str, Worker]]:
    """Workers by method, in fresh processes; those that lack a library are told of and left out."""
    started = {method: Worker(method, script) for method in methods}
    try:
        for method, worker in started.items():
            if worker.missing is not None:
                print(f"{method}: not installed ({worker.missing})", flush=True)
        yield {m: worker for m, worker in started.items() if worker.missing is None}
    finally:
        for worker in started.values():
            worker.close()


class Samples:
    """CPU seconds of jobs by method, one figure per round."""

    def __init__(self) -> None:
        self._seconds: dict[tuple[str, str], list[float]] = {}

    def add(self, job: str, method: str, seconds: float) -> None:
        """Note one round's figure."""
        self._seconds.setdefault((job, method), []).append(seconds)

    def median(self, job: str, method: str) -> float | None:
        """The median over the rounds; None where the method was not measured."""
        taken = self._seconds.get((job, method))
        return median(taken) if taken else None

    def rows(self) -> Iterator[tuple[str, str, float, float, float]]:
        """Job, method, median, least and most seconds, by job."""
        for (job, method), seconds in sorted(self._seconds.items(), key=lambda item: item[0][0]):
            yield job, method, median(seconds), min(seconds), max(seconds)

    def ratio(self, job: str, method: str, over: tuple[str, str]) -> float | None:
        """How many times cheaper `method` does `job` than the job and method `over`."""
        ours, theirs = self.median(job, method), self.median(*over)
        return theirs / ours if ours and theirs else None


def shuffled(names: Sequence[str], seed: int) -> list[str]:
    """The names in an order of their own for each round."""
    order = list(names)
    random.Random(seed).shuffle(order)
    return order
