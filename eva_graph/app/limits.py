"""What the page lets its users do: how much, how long, how many at once."""

from __future__ import annotations

import math
from dataclasses import dataclass

from eva_graph.errors import InvalidRequest

MIB = 1024**2


@dataclass(frozen=True, slots=True, kw_only=True)
class PageLimits:
    """Bounds of one server. Raises `InvalidRequest` for values that make no sense."""

    upload_bytes: int = 512 * MIB
    """The largest file that may be uploaded."""
    question_seconds: float = 300.0
    """How long a question may take, from the moment it leaves the queue."""
    parallel: int = 2
    """Questions answered side by side; the others wait."""
    waiting: int = 16
    """Questions that may wait; further ones are refused."""
    sessions: int = 64
    """Open pages; the one unused for longest loses its videos and runs."""
    question_characters: int = 4000
    """Length of a question, and of each option."""

    def __post_init__(self) -> None:
        for name in ("upload_bytes", "parallel", "waiting", "sessions"):
            if getattr(self, name) < 1:
                raise InvalidRequest(f"{name} must be at least 1, not {getattr(self, name)}")
        if not 0 < self.question_seconds < math.inf:
            raise InvalidRequest(
                f"a question needs more than 0 seconds, not {self.question_seconds:g}"
            )
