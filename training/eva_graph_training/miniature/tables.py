"""The miniature's tables, from reports alone.

Accuracies carry 95 % intervals clustered by video; tests are McNemar's, paired by question
(`eva_graph.evaluation.statistics`). Ablations and seeds are compared with the main run of their
own size and seed, never with another one's.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from statistics import mean, stdev
from typing import Final

from eva_graph.evaluation.figures import flips_text, number_text, points_text, share_text
from eva_graph.evaluation.statistics import difference, mcnemar, proportion
from eva_graph_training.errors import DataError
from eva_graph_training.miniature.measuring import Measured, MeasuredRow
from eva_graph_training.miniature.power import mcnemar_power, questions_needed
from eva_graph_training.miniature.reports import MAIN, PolicyReport

ORDER: Final = (
    "passive-1x", "passive-2x", "passive-4x", "fixed", "start", "sft", "kto", "grpo",
)  # fmt: skip
_PAIRS: Final = (
    ("start", "sft"), ("sft", "kto"), ("kto", "grpo"), ("sft", "grpo"), ("passive-1x", "grpo"),
    ("passive-2x", "grpo"), ("passive-4x", "grpo"), ("fixed", "grpo"),
)  # fmt: skip
_SIZES: Final = ("full", "third", "smoke")
_SOUGHT: Final = 0.04
"""The difference that the test set is to find."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """One table, every cell a text."""

    title: str
    head: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    note: str = ""


def main_run(reports: Sequence[PolicyReport]) -> dict[str, PolicyReport]:
    """The policies of the largest main run with the smallest seed, in the order of the tables.

    Raises:
        DataError: there is no main run.
    """
    mains = [one for one in reports if one.ablation == MAIN]
    if not mains:
        raise DataError("no report of a main run: only ablations are there")
    first = min(mains, key=lambda one: (_SIZES.index(one.size), one.seed))
    return _run(mains, first.size, first.seed)


def all_tables(reports: Sequence[PolicyReport]) -> list[Table]:
    """Every table that the reports have something to say for. Raises `DataError`."""
    run = main_run(reports)
    made = [
        *(_accuracies(run, split) for split in _splits(run)),
        *(_kinds(run, split) for split in _splits(run)),
        _tests(run, "test"),
        _power(run),
        _ablations(reports),
        _seeds(reports),
        _times(run),
    ]
    return [table for table in made if table.rows]


def _accuracies(run: dict[str, PolicyReport], split: str) -> Table:
    rows = []
    for name, report in run.items():
        found = list(report.splits[split].rows())
        rows.append(
            (
                name,
                share_text(proportion([(one.video, float(one.right)) for one in found])),
                number_text(mean(one.rounds for one in found)),
                number_text(mean(one.frames for one in found)),
                number_text(mean(one.visual_tokens for one in found)),
            )
        )
    some = next(iter(run.values())).splits[split]
    videos = len({one.video for one in some.rows()})
    return Table(
        title=f"Accuracy and cost, {split} split",
        head=("policy", "right", "rounds", "frames", "visual tokens"),
        rows=tuple(rows),
        note=f"{len(some.questions):,} questions about {videos:,} videos; 95 % intervals "
        "clustered by video; means an episode.",
    )


def _kinds(run: dict[str, PolicyReport], split: str) -> Table:
    kinds = sorted({one.kind for report in run.values() for one in report.splits[split].rows()})
    rows = []
    for name, report in run.items():
        found = list(report.splits[split].rows())
        rows.append((name, *(_percent(one for one in found if one.kind == kind) for kind in kinds)))
    return Table(
        title=f"Right answers by kind of question, {split} split, in %",
        head=("policy", *(kind.replace("_", " ") for kind in kinds)),
        rows=tuple(rows),
    )


def _tests(run: dict[str, PolicyReport], split: str) -> Table:
    pairs = [(one, other) for one, other in _PAIRS if one in run and other in run]
    rows = [_test(run[one], run[other], split) for one, other in pairs]
    return Table(
        title=f"Paired tests, {split} split",
        head=("from", "to", "difference", "test", "visual tokens"),
        rows=tuple(rows),
        note="Difference of right answers with its 95 % interval, clustered by video.",
    )


def _test(first: PolicyReport, second: PolicyReport, split: str) -> tuple[str, ...]:
    pairs = _pairs(first.splits[split], second.splits[split])
    change = difference([(a.video, float(b.right) - float(a.right)) for a, b in pairs])
    spent = [sum(one.visual_tokens for one in side) for side in zip(*pairs, strict=True)]
    cost = f"{spent[1] / spent[0] - 1:+.0%}" if spent[0] else "-"
    test = flips_text(mcnemar((a.right, b.right) for a, b in pairs))
    return _label(first, second), _label(second, first), points_text(change), test, cost


def _power(run: dict[str, PolicyReport]) -> Table:
    """Of the test split, at the discordance that the last two stages were found to have."""
    names = [name for name in ("sft", "kto", "grpo") if name in run]
    if len(names) < 2:
        return Table(title="Power", head=(), rows=())
    pairs = _pairs(run[names[-2]].splits["test"], run[names[-1]].splits["test"])
    discordant = max(_SOUGHT, sum(a.right != b.right for a, b in pairs) / len(pairs))
    power = mcnemar_power(len(pairs), _SOUGHT, discordant)
    needed = questions_needed(_SOUGHT, discordant)
    row = (f"{len(pairs):,}", f"{discordant:.1%}", f"{power:.0%}", f"{needed:,}")
    return Table(
        title=f"Power of the paired test for a difference of {100 * _SOUGHT:.0f} points",
        head=("questions", f"discordant ({names[-2]}, {names[-1]})", "power", "needed for 80 %"),
        rows=(row,),
        note="McNemar's test, two-sided at 5 %, normal approximation.",
    )


def _ablations(reports: Sequence[PolicyReport]) -> Table:
    rows = []
    for report in reports:
        if report.ablation == MAIN or report.policy != "grpo":
            continue
        against = _run([one for one in reports if one.ablation == MAIN], report.size, report.seed)
        if "grpo" in against:
            rows.append((report.size, str(report.seed),
                         *_test(against["grpo"], report, "test")[1:]))  # fmt: skip
    return Table(
        title="Ablations: GRPO's policy against the main run's of the same size and seed",
        head=("size", "seed", "ablation", "difference", "test", "visual tokens"),
        rows=tuple(rows),
    )


def _seeds(reports: Sequence[PolicyReport]) -> Table:
    rows = []
    mains = [one for one in reports if one.ablation == MAIN]
    for size in _SIZES:
        for name in ORDER:
            shares = [_right(one.splits["test"]) for one in mains
                      if (one.size, one.policy) == (size, name)]  # fmt: skip
            if len(shares) > 1:
                spread = f"{100 * stdev(shares):.1f}"
                ends = f"{100 * min(shares):.1f} to {100 * max(shares):.1f}"
                rows.append((size, name, str(len(shares)), f"{100 * mean(shares):.1f} %",
                             spread, ends))  # fmt: skip
    return Table(
        title="Seeds, test split",
        head=("size", "policy", "seeds", "mean", "standard deviation", "range"),
        rows=tuple(rows),
    )


def _times(run: dict[str, PolicyReport]) -> Table:
    seconds: dict[str, float] = {}
    for report in run.values():
        seconds |= report.seconds
    some = next(iter(run.values()))
    cores = some.machine.get("gpu") or f"{some.machine.get('processors')} processors"
    rows = [(name, number_text(took / 60)) for name, took in seconds.items()]
    total = ("all", number_text(sum(seconds.values()) / 60))
    return Table(
        title="Time of every step",
        head=("step", "minutes"),
        rows=(*rows, total),
        note=f"On {cores}.",
    )


def _run(reports: Iterable[PolicyReport], size: str, seed: int) -> dict[str, PolicyReport]:
    found = {one.policy: one for one in reports if (one.size, one.seed) == (size, seed)}
    known = [name for name in ORDER if name in found]
    return {name: found[name] for name in (*known, *sorted(set(found) - set(known)))}


def _splits(run: dict[str, PolicyReport]) -> list[str]:
    return list(next(iter(run.values())).splits)


def _pairs(first: Measured, second: Measured) -> list[tuple[MeasuredRow, MeasuredRow]]:
    """Rows on the same questions. Raises `DataError` where there are none."""
    others = {one.question: one for one in second.rows()}
    pairs = [(one, others[one.question]) for one in first.rows() if one.question in others]
    if not pairs:
        raise DataError("two reports have no question in common: they are of different worlds")
    return pairs


def _label(report: PolicyReport, other: PolicyReport) -> str:
    return report.policy if report.ablation == other.ablation else report.ablation


def _right(found: Measured) -> float:
    return found.right.count("1") / max(1, len(found.right))


def _percent(rows: Iterable[MeasuredRow]) -> str:
    right = [one.right for one in rows]
    return f"{100 * sum(right) / len(right):.0f}" if right else "-"
