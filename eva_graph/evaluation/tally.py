"""The rows of an evaluation so far, and the counts that progress shows."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from eva_graph.evaluation.episode_rows import EpisodeRow


class Tally:
    """The latest row of every question; rows, never records."""

    def __init__(self, rows: Iterable[EpisodeRow]) -> None:
        """`rows`: one for each question, asked or not, in their order."""
        self._rows = {row.question.question_id: row for row in rows}
        self.done = self.right = self.scored = self.failed = 0
        for row in self._rows.values():
            self._count(row, 1)

    @property
    def rows(self) -> Sequence[EpisodeRow]:
        """In the order of the questions."""
        return list(self._rows.values())

    @property
    def accuracy(self) -> float | None:
        """Share of right answers among those with a verdict; None without any."""
        return self.right / self.scored if self.scored else None

    def add(self, row: EpisodeRow) -> None:
        """Take a question's new row in place of its old one."""
        self._count(self._rows[row.question.question_id], -1)
        self._rows[row.question.question_id] = row
        self._count(row, 1)

    def _count(self, row: EpisodeRow, by: int) -> None:
        self.done += by * row.asked
        self.failed += by * row.failed
        self.scored += by * (row.asked and row.score.correct is not None)
        self.right += by * (row.score.correct is True)
