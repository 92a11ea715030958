"""Two runs on the same questions: the difference with its interval, the test, what flipped.

Only questions that both runs were asked count; the others are counted apart, since leaving out
the hard ones is the easiest way to look better.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from eva_graph.errors import InvalidRequest
from eva_graph.evaluation.episode_rows import EpisodeRow
from eva_graph.evaluation.gate import THRESHOLD, Gate, gate
from eva_graph.evaluation.report import Measure, accuracy
from eva_graph.evaluation.statistics import Estimate, McNemar, difference, mcnemar


@dataclass(frozen=True, slots=True, kw_only=True)
class Flip:
    """A question that one run has right and the other has not.

    Attributes:
        gained: the second run has it right.
    """

    question_id: str
    video: str
    question: str
    expected: str | None
    first_answer: str | None
    second_answer: str | None
    gained: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """The second run against the first.

    Attributes:
        questions: asked by both.
        only_first: questions that only the first run was asked.
        only_second: questions that only the second run was asked.
        first: accuracy of the first run on the common questions.
        second: the same of the second.
        difference: of the values, second minus first, clustered by video; open answers that ROUGE
            measured count with their F1.
        test: McNemar's, of the questions with a verdict in both.
        costs: (first, second) of what an episode costs.
        flips: lost ones first, then gained ones, in the order of the questions.
        gates: of the first and the second run, all their questions.
    """

    questions: int
    only_first: int
    only_second: int
    first: Estimate
    second: Estimate
    difference: Estimate
    test: McNemar
    costs: dict[str, tuple[Measure, Measure]]
    flips: tuple[Flip, ...]
    gates: tuple[Gate, Gate]

    @property
    def valid(self) -> bool:
        """Whether both runs pass the silent-failure gate."""
        return all(gate.valid for gate in self.gates)

    def to_json(self) -> dict[str, Any]:
        """Everything as plain JSON, the gates' verdicts included."""
        verdicts = [gate.verdict for gate in self.gates]
        return asdict(self) | {"valid": self.valid, "verdicts": verdicts}


def compare(
    first: Sequence[EpisodeRow], second: Sequence[EpisodeRow], *, threshold: float = THRESHOLD
) -> Comparison:
    """Compare two runs, question by question.

    Raises:
        InvalidRequest: no question was asked in both, or one was scored against another answer.
    """
    mine, theirs = _by_question(first), _by_question(second)
    pairs = [(row, theirs[key]) for key, row in mine.items() if key in theirs]
    if not pairs:
        raise InvalidRequest("the runs have no question in common: nothing can be compared")
    for one, other in pairs:
        _check_same(one, other)
    decided = [
        (one, other)
        for one, other in pairs
        if one.score.correct is not None and other.score.correct is not None
    ]
    return Comparison(
        questions=len(pairs),
        only_first=len(mine) - len(pairs),
        only_second=len(theirs) - len(pairs),
        first=accuracy(one for one, _ in decided),
        second=accuracy(other for _, other in decided),
        difference=difference(
            [
                (one.question.video, other.score.value - one.score.value)
                for one, other in pairs
                if _measured(one) and _measured(other)
            ]
        ),
        test=mcnemar(
            (bool(one.score.correct), bool(other.score.correct)) for one, other in decided
        ),
        costs=_costs(pairs),
        flips=_flips(decided),
        gates=(gate(first, threshold), gate(second, threshold)),
    )


def _by_question(rows: Sequence[EpisodeRow]) -> dict[tuple[str, str], EpisodeRow]:
    return {(row.question.benchmark, row.question.question_id): row for row in rows if row.asked}


def _check_same(one: EpisodeRow, other: EpisodeRow) -> None:
    """A question id that means another question would compare nonsense in silence.

    The text may differ, since profiles write it differently; the right answer may not.
    """
    expected = {
        (row.question.answer or "").strip("().: ").upper()
        for row in (one, other)
        if row.question.problem is None
    }
    if len(expected) > 1:
        raise InvalidRequest(
            f"question {one.question.question_id} has another right answer in each run: they were "
            "not made from the same annotations"
        )


def _measured(row: EpisodeRow) -> bool:
    return row.score.correct is not None or row.score.how == "rouge"


def _costs(pairs: Sequence[tuple[EpisodeRow, EpisodeRow]]) -> dict[str, tuple[Measure, Measure]]:
    names = ("rounds", "tokens", "visual_tokens", "frames", "seconds", "time_iou")
    return {
        name: (
            Measure.of(getattr(one, name) for one, _ in pairs),
            Measure.of(getattr(other, name) for _, other in pairs),
        )
        for name in names
    }


def _flips(decided: Sequence[tuple[EpisodeRow, EpisodeRow]]) -> tuple[Flip, ...]:
    flips = [
        Flip(
            question_id=one.question.question_id,
            video=one.question.video,
            question=one.question.question,
            expected=one.question.answer,
            first_answer=one.answer,
            second_answer=other.answer,
            gained=bool(other.score.correct),
        )
        for one, other in decided
        if one.score.correct != other.score.correct
    ]
    return tuple(sorted(flips, key=lambda flip: flip.gained))
