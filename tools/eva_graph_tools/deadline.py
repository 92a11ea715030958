"""`Deadline`: how long a call may take, checked between packets."""

import time
from dataclasses import dataclass

from eva_graph_tools.errors import DecodeTimeout

_LEAST_SECONDS = 1e-6


@dataclass(frozen=True, slots=True)
class Deadline:
    """A moment on the monotonic clock, or never."""

    at: float | None = None

    @classmethod
    def after(cls, timeout_seconds: float | None) -> "Deadline":
        """That many seconds from now; None never comes.

        Raises:
            ValueError: a timeout that is not positive.
        """
        if timeout_seconds is None:
            return cls()
        if not timeout_seconds > 0:
            raise ValueError(f"timeout_seconds must be positive, not {timeout_seconds}")
        return cls(time.monotonic() + timeout_seconds)

    @property
    def remaining_seconds(self) -> float | None:
        """What is left, not below 0; None where there is no limit."""
        return None if self.at is None else max(0.0, self.at - time.monotonic())

    def check(self) -> None:
        """Raises `DecodeTimeout` when the moment has passed."""
        if self.at is not None and time.monotonic() > self.at:
            raise DecodeTimeout("the video took longer than timeout_seconds: ask for less of it")

    def left(self) -> float | None:
        """What is left as a `timeout_seconds` for one step of several; None without a limit.

        Raises `DecodeTimeout` when nothing is.
        """
        remaining = self.remaining_seconds
        if remaining is not None and remaining <= 0:
            self.check()
            return _LEAST_SECONDS
        return remaining
