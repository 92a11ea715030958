"""The silent-failure gate: what an accuracy hides, counted beside it.

An error, an answer that is empty or cut off, an image that the policy never got and a question
that was never asked all look like a wrong answer, or like nothing. Above a share of the questions
they make the run's accuracy a statement about the machinery: the run is invalid.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from eva_graph.evaluation.episode_rows import EpisodeRow

THRESHOLD: Final = 0.02
"""Share of the questions that may fail in silence."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Gate:
    """What failed without being a wrong answer.

    Attributes:
        errors: episodes that ended by an error.
        empty: episodes without an answer.
        truncated: episodes whose last message was cut.
        dropped_images: episodes in which images got lost.
        unasked: questions without a record.
        affected: questions with at least one of these.
        share: of all questions; 1 where there are none.
        threshold: the share that is let pass.
    """

    errors: int
    empty: int
    truncated: int
    dropped_images: int
    unasked: int
    affected: int
    share: float
    threshold: float

    @property
    def valid(self) -> bool:
        """Whether the accuracy may be quoted."""
        return self.share <= self.threshold

    @property
    def verdict(self) -> str:
        """One line that says so, and why not."""
        counts = (
            (self.errors, "errors"),
            (self.empty, "without an answer"),
            (self.truncated, "truncated"),
            (self.dropped_images, "with dropped images"),
            (self.unasked, "never asked"),
        )
        told = ", ".join(f"{count:,} {name}" for count, name in counts if count)
        share = f"{100 * self.share:.1f} % of the questions failed in silence"
        if self.valid:
            return f"valid: {share} ({told})" if told else "valid: nothing failed in silence"
        limit = f"more than {100 * self.threshold:.1f} %"
        return f"INVALID: {share}, {limit} ({told or 'there are none'})"


def gate(rows: Sequence[EpisodeRow], threshold: float = THRESHOLD) -> Gate:
    """Count the silent failures of a run."""
    unasked = [not row.asked for row in rows]
    dropped = [row.dropped_images > 0 for row in rows]
    affected = sum(
        row.failed or row.empty or row.truncated or lost or missing
        for row, lost, missing in zip(rows, dropped, unasked, strict=True)
    )
    return Gate(
        errors=sum(row.failed for row in rows),
        empty=sum(row.empty for row in rows),
        truncated=sum(row.truncated for row in rows),
        dropped_images=sum(dropped),
        unasked=sum(unasked),
        affected=affected,
        share=affected / len(rows) if rows else 1.0,
        threshold=threshold,
    )
