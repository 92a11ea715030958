"""What a caller knows of the right answer: it goes into the record and never to the policy."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from eva_graph.errors import InvalidRequest


@dataclass(frozen=True, slots=True, kw_only=True)
class Reference:
    """What is known of the right answer, for scoring and labelling.

    Attributes:
        expected: the right answer; the letter where there are options.
        question_id: the question's name in its data set.
        time_reference: (start, end) in seconds of the stretches that show the answer.

    Raises:
        InvalidRequest: a field of another type, or a stretch that ends before it starts.
    """

    expected: str | None = None
    question_id: str | None = None
    time_reference: tuple[tuple[float, float], ...] = ()

    def __post_init__(self) -> None:
        for name in ("expected", "question_id"):
            if not isinstance(getattr(self, name), str | None):
                raise InvalidRequest(f"{name} must be text, not {getattr(self, name)!r:.80}")
        try:
            stretches = tuple((float(start), float(end)) for start, end in self.time_reference)
        except (TypeError, ValueError):
            raise InvalidRequest(
                f"time_reference must be pairs of seconds, not {self.time_reference!r:.80}"
            ) from None
        for start, end in stretches:
            if not (math.isfinite(start) and math.isfinite(end) and 0 <= start <= end):
                raise InvalidRequest(f"time_reference {start:g} to {end:g} s is no stretch")
        object.__setattr__(self, "time_reference", stretches)

    @classmethod
    def of(cls, given: Reference | Mapping[str, Any] | None) -> Reference | None:
        """The reference, also from its JSON form. Raises `InvalidRequest`."""
        if given is None or isinstance(given, Reference):
            return given
        try:
            return cls(**given)
        except TypeError:
            raise InvalidRequest(f"reference has no such fields: {given!r:.200}") from None
