"""The report of a run: accuracy with intervals, what it cost, and what failed in silence.

A value of plain numbers: `to_json` writes it, `report_terminal` and `report_page` show it. The
accuracy is over the questions that were asked and have a verdict; an episode without an answer is
wrong, and counted by the gate besides.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Final

from eva_graph.evaluation.episode_rows import EpisodeRow
from eva_graph.evaluation.gate import THRESHOLD, Gate, gate
from eva_graph.evaluation.statistics import Estimate, Observation, proportion, quantile

_BUCKET_ORDER: Final = (
    *("short", "medium", "long"),
    *("8-15 s", "15-60 s", "under 2 min", "2-15 min", "3-10 min", "15-60 min", "over 60 min"),
)
_MEASURED: Final = (
    *("rounds", "tokens", "all_tokens", "cached_share", "visual_tokens", "frames"),
    *("seconds", "policy_seconds", "look_seconds", "time_iou"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Measure:
    """How a number is spread over the asked questions; None where nobody measured it."""

    count: int
    mean: float | None
    p50: float | None
    p95: float | None

    @classmethod
    def of(cls, values: Iterable[float | None]) -> Measure:
        """Of the values that are there."""
        known = [value for value in values if value is not None]
        mean = sum(known) / len(known) if known else None
        return cls(count=len(known), mean=mean, p50=quantile(known, 0.5), p95=quantile(known, 0.95))


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What a run says.

    Attributes:
        asked_for: what was asked, e.g. benchmark, profile, policy.
        questions: how many, whether asked or not.
        accuracy: of the questions with a verdict.
        open_answers: mean F1 of open answers that only ROUGE measured.
        by_duration: accuracy by class of the video's length.
        by_type: accuracy by class of the question; one with several classes counts in each.
        measures: rounds, tokens, prefix-cache hit rate, frames, seconds, time-reference IoU.
        saw_reference: share of questions of which a frame within the time reference was shown.
        stop_reasons: how episodes ended.
        scored_by: how answers were scored.
        unscored: questions without a verdict, by reason.
        problems: questions whose ground truth no answer can match, by reason; the reference
            profile counts them as wrong.
        repairs: repairs of the annotations.
        gate: what failed in silence.
    """

    asked_for: dict[str, str] = field(default_factory=dict)
    questions: int
    accuracy: Estimate
    open_answers: Measure
    by_duration: dict[str, Estimate]
    by_type: dict[str, Estimate]
    measures: dict[str, Measure]
    saw_reference: Estimate
    stop_reasons: dict[str, int]
    scored_by: dict[str, int]
    unscored: dict[str, int]
    problems: dict[str, int]
    repairs: dict[str, int]
    gate: Gate

    def to_json(self) -> dict[str, Any]:
        """Everything as plain JSON, the gate's verdict in words included."""
        data = asdict(self)
        data["gate"] |= {"valid": self.gate.valid, "verdict": self.gate.verdict}
        return data


def report(
    rows: Sequence[EpisodeRow],
    *,
    asked_for: Mapping[str, str] | None = None,
    threshold: float = THRESHOLD,
) -> Report:
    """Sum up the rows of a run."""
    asked = [row for row in rows if row.asked]
    scored = [row for row in asked if row.score.correct is not None]
    measured = [row for row in asked if row.score.how == "rouge"]
    unscored = [row for row in rows if row.score.correct is None and row.score.how != "rouge"]
    seen = [
        (row.question.video, float(row.saw_reference))
        for row in asked
        if row.saw_reference is not None
    ]
    return Report(
        asked_for=dict(asked_for or {}),
        questions=len(rows),
        accuracy=accuracy(scored),
        open_answers=Measure.of(row.score.value for row in measured),
        by_duration=_by(scored, lambda row: (row.duration_bucket,), _bucket_place),
        by_type=_by(scored, lambda row: row.question.question_types, lambda name: (0, name)),
        measures=_measures(asked),
        saw_reference=proportion(seen),
        stop_reasons=_counts(row.stop_reason or "unfinished" for row in asked),
        scored_by=_counts(row.score.how for row in scored),
        unscored=_counts(row.score.how for row in unscored),
        problems=_counts(row.question.problem for row in rows if row.question.problem),
        repairs=_counts(repair for row in rows for repair in row.question.repairs),
        gate=gate(rows, threshold),
    )


def accuracy(rows: Iterable[EpisodeRow]) -> Estimate:
    """The share of right answers among rows with a verdict, clustered by video."""
    observations: list[Observation] = [
        (row.question.video, float(row.score.correct))
        for row in rows
        if row.score.correct is not None
    ]
    return proportion(observations)


def _by(
    rows: Sequence[EpisodeRow],
    classes: Callable[[EpisodeRow], Iterable[str | None]],
    place: Callable[[str], tuple[int, str]],
) -> dict[str, Estimate]:
    grouped: dict[str, list[EpisodeRow]] = {}
    for row in rows:
        for name in classes(row):
            if name is not None:
                grouped.setdefault(name, []).append(row)
    return {name: accuracy(grouped[name]) for name in sorted(grouped, key=place)}


def _bucket_place(name: str) -> tuple[int, str]:
    known = name in _BUCKET_ORDER
    return (_BUCKET_ORDER.index(name) if known else len(_BUCKET_ORDER)), name


def _measures(asked: Sequence[EpisodeRow]) -> dict[str, Measure]:
    measures = {name: Measure.of(getattr(row, name) for row in asked) for name in _MEASURED}
    return measures | {"other_seconds": Measure.of(map(_other_seconds, asked))}


def _other_seconds(row: EpisodeRow) -> float | None:
    """Neither the policy's nor a look's: queues, images on their way, the graph."""
    if row.seconds is None:
        return None
    return max(0.0, row.seconds - row.policy_seconds - row.look_seconds)


def _counts(names: Iterable[str]) -> dict[str, int]:
    return dict(Counter(names).most_common())
