"""`Deadline`: how long a call may take, checked between packets; and calls that end on time."""

import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, wait
from dataclasses import dataclass
from typing import TypeVar

from eva_graph_tools.errors import DecodeTimeout, InvalidArguments

T = TypeVar("T")

_LEAST_SECONDS = 1e-6
# Clocks of the system and of FFmpeg overflow with much more.
_MOST_SECONDS = 365 * 86_400.0


@dataclass(frozen=True, slots=True)
class Deadline:
    """A moment on the monotonic clock, or never."""

    at: float | None = None

    @classmethod
    def after(cls, timeout_seconds: float | None) -> "Deadline":
        """That many seconds from now, a year at most; None never comes.

        Raises:
            InvalidArguments: a timeout that is not positive.
        """
        if timeout_seconds is None:
            return cls()
        if not timeout_seconds > 0:
            raise InvalidArguments(f"timeout_seconds must be positive, not {timeout_seconds}")
        return cls(time.monotonic() + min(timeout_seconds, _MOST_SECONDS))

    @property
    def remaining_seconds(self) -> float | None:
        """What is left, not below 0; None where there is no limit."""
        return None if self.at is None else max(0.0, self.at - time.monotonic())

    def check(self) -> None:
        """Raises `DecodeTimeout` when the moment has passed."""
        if self.at is not None and time.monotonic() > self.at:
            raise _too_long()

    def left(self) -> float | None:
        """What is left as a `timeout_seconds` for one step of several; None without a limit.

        Raises `DecodeTimeout` when nothing is.
        """
        remaining = self.remaining_seconds
        if remaining is not None and remaining <= 0:
            self.check()
            return _LEAST_SECONDS
        return remaining


NEVER = Deadline()


def within(deadline: Deadline, work: Callable[[], T], late: Callable[[T], None] | None = None) -> T:
    """What `work` returns, if it does so before the deadline.

    With a deadline `work` runs on a thread of its own, which goes on after the deadline until it
    returns: what is stuck in a library cannot be interrupted. What it returns then is given to
    `late`.

    Raises:
        DecodeTimeout: the deadline passed.
        Exception: whatever `work` raises before.
    """
    if deadline.at is None:
        return work()
    future = on_thread(work)
    wait([future], deadline.remaining_seconds)
    if not future.done():
        if late is not None:
            future.add_done_callback(lambda done: done.exception() or late(done.result()))
        raise _too_long()
    return future.result()


def on_thread(work: Callable[[], T]) -> Future[T]:
    """Run something on a thread of its own, one that does not keep the interpreter from ending."""
    future: Future[T] = Future()

    def run() -> None:
        try:
            future.set_result(work())
        except BaseException as error:  # told to whoever waits for the result
            future.set_exception(error)

    threading.Thread(target=run, name="eva-graph decoding", daemon=True).start()
    return future


def _too_long() -> DecodeTimeout:
    return DecodeTimeout("the video took longer than timeout_seconds: ask for less of it")
