"""Which records of a run are wanted: right or wrong, how they stopped, how long they took."""

from __future__ import annotations

import re
from dataclasses import dataclass

from eva_graph.errors import InvalidRequest
from eva_graph.state import StopReason
from eva_graph.trajectory.schema import Trajectory

_TIME = re.compile(r"\d{4}(-\d\d(-\d\d(T\d\d(:\d\d(:\d\d(\.\d+)?(\+00:00)?)?)?)?)?)?")


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordFilter:
    """Conditions that all have to hold; an empty one holds for every record.

    Raises:
        InvalidRequest: `since` or `until` is no time, or an unknown stop reason.
    """

    correct: bool | None = None
    """Right or wrong answers (`Trajectory.correct`); records without a reference are neither."""
    stop_reasons: frozenset[str] = frozenset()
    """Any of these."""
    min_turns: int | None = None
    max_turns: int | None = None
    min_tokens: int | None = None
    """Tokens of the last prompt (`usage.last_prompt_tokens`); unknown ones are in no range."""
    max_tokens: int | None = None
    tools: frozenset[str] = frozenset()
    """Any of these was called."""
    labels: frozenset[str] = frozenset()
    """Any of these was given."""
    since: str | None = None
    """Began at this time or later: UTC, ISO 8601, or the beginning of it (`2026-03`)."""
    until: str | None = None
    """Began at this time or earlier; `2026-03` is until the end of that month."""

    def __post_init__(self) -> None:
        for name, value in (("since", self.since), ("until", self.until)):
            if value is not None and _TIME.fullmatch(value) is None:
                raise InvalidRequest(f"{name} must be a time like 2026-03-01, not {value!r}")
        unknown = sorted(self.stop_reasons - set(StopReason))
        if unknown:
            raise InvalidRequest(
                f"there is no stop reason {unknown[0]!r}: choose from {', '.join(StopReason)}"
            )

    def matches(self, record: Trajectory) -> bool:
        """Whether every condition holds."""
        called = {call.tool for turn in record.turns for call in turn.calls}
        return (
            (self.correct is None or record.correct is self.correct)
            and (not self.stop_reasons or record.stop_reason in self.stop_reasons)
            and (not self.tools or not self.tools.isdisjoint(called))
            and (not self.labels or not self.labels.isdisjoint(record.labels))
            and _within(len(record.turns), self.min_turns, self.max_turns)
            and _within(record.usage.last_prompt_tokens, self.min_tokens, self.max_tokens)
            and (self.since is None or record.created >= self.since)
            and (self.until is None or record.created[: len(self.until)] <= self.until)
        )


def _within(value: int | None, least: int | None, most: int | None) -> bool:
    if least is None and most is None:
        return True
    return value is not None and (least or 0) <= value and (most is None or value <= most)
