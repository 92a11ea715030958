"""Numbers as reports write them, for the terminal and the page alike."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from eva_graph.dialects.json_values import printable
from eva_graph.evaluation.report import Measure, Report
from eva_graph.evaluation.statistics import Estimate, McNemar

LABELS: Final[dict[str, str]] = {
    "rounds": "rounds",
    "tokens": "tokens of the last request",
    "all_tokens": "tokens of all requests",
    "cached_share": "prefix-cache hit rate",
    "visual_tokens": "visual tokens",
    "frames": "frames",
    "seconds": "seconds an episode",
    "policy_seconds": "… in the policy",
    "look_seconds": "… in looks",
    "other_seconds": "… elsewhere",
    "time_iou": "time-reference IoU",
}
"""In the order of a report."""
_TEXT_CHARACTERS: Final = 300


def share_text(estimate: Estimate) -> str:
    """`61.3 % (57.0 to 65.4)`, with its 95 % interval."""
    if estimate.value is None:
        return "-"
    low, high = 100 * estimate.low, 100 * estimate.high
    return f"{100 * estimate.value:.1f} % ({low:.1f} to {high:.1f})"


def points_text(estimate: Estimate) -> str:
    """`+2.1 points (-0.4 to +4.6)`, with its 95 % interval."""
    if estimate.value is None:
        return "-"
    return (
        f"{100 * estimate.value:+.1f} points "
        f"({100 * estimate.low:+.1f} to {100 * estimate.high:+.1f})"
    )


def asked_text(estimate: Estimate) -> str:
    """What an interval rests on, e.g. `…, 210 questions, 31 videos, design effect 1.8`."""
    counts = f"{estimate.questions:,} questions, {estimate.videos:,} videos"
    text = f"95 % interval clustered by video, {counts}"
    effect = estimate.design_effect
    return text if effect is None else f"{text}, design effect {effect:.1f}"


def number_text(value: float | None) -> str:
    """At most three digits after the point, fewer for large numbers; `-` for none."""
    if value is None:
        return "-"
    if abs(value) >= 1_000:
        return f"{value:,.0f}"
    return f"{value:.1f}" if abs(value) >= 10 else f"{value:.3f}".rstrip("0").rstrip(".")


def measure_texts(measure: Measure) -> tuple[str, str, str]:
    """Mean, p50 and p95."""
    return number_text(measure.mean), number_text(measure.p50), number_text(measure.p95)


def flips_text(test: McNemar) -> str:
    """The flips and the p-value, and how it was found."""
    kind = "exact" if test.exact else "chi-squared"
    p_value = f"p = {test.p_value:.3f}" if test.p_value >= 0.001 else "p < 0.001"
    return f"{test.gained:,} gained, {test.lost:,} lost, McNemar {p_value} ({kind})"


def counted_lines(report: Report) -> list[str]:
    """What is counted by name, a line each; only what is there."""
    parts: list[tuple[str, Mapping[str, int]]] = [
        ("stop reasons", report.stop_reasons),
        ("scored by", report.scored_by),
        ("without a verdict", report.unscored),
        ("ground truth at fault", report.problems),
        ("repaired", report.repairs),
    ]
    lines = [
        f"{title}: "
        + ", ".join(f"{printable(name, 80)} {count:,}" for name, count in counts.items())
        for title, counts in parts
        if counts
    ]
    if report.saw_reference.value is not None:
        lines.append(f"saw a frame of the time reference: {share_text(report.saw_reference)}")
    if report.open_answers.count:
        mean = number_text(report.open_answers.mean)
        lines.append(f"open answers: mean ROUGE F1 {mean} of {report.open_answers.count:,}")
    return lines


def plain_text(value: str | None) -> str:
    """A text of a file or a policy on one line, bounded, that cannot steer a terminal."""
    text = "-" if value is None else printable(value, _TEXT_CHARACTERS)
    return "".join(letter if letter.isprintable() else "\ufffd" for letter in text)
