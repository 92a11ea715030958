"""Reports and comparisons for people at a terminal."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from eva_graph.evaluation.compare import Comparison
from eva_graph.evaluation.figures import (
    LABELS,
    asked_text,
    counted_lines,
    flips_text,
    measure_texts,
    number_text,
    plain_text,
    points_text,
    share_text,
)
from eva_graph.evaluation.gate import Gate
from eva_graph.evaluation.report import Report
from eva_graph.evaluation.statistics import Estimate

SHOWN_FLIPS: Final = 20


def render_report(report: Report) -> RenderableType:
    """The report as rich shows it."""
    parts: list[RenderableType] = [
        Text(plain_text(", ".join(f"{name} {value}" for name, value in report.asked_for.items()))),
        Text.assemble(
            "accuracy ", (share_text(report.accuracy), "bold"), f", {asked_text(report.accuracy)}"
        ),
        _verdict(report.gate),
    ]
    for title, shares in (("duration", report.by_duration), ("type", report.by_type)):
        if shares:
            parts.append(_shares(title, shares))
    parts.append(_costs(report))
    parts += [Text(plain_text(line), "dim") for line in counted_lines(report)]
    return Group(*parts[not report.asked_for :])


def render_comparison(comparison: Comparison) -> RenderableType:
    """The comparison as rich shows it; at most `SHOWN_FLIPS` flips, lost ones first."""
    table = _table("", "first", "second")
    table.add_row("accuracy", share_text(comparison.first), share_text(comparison.second))
    for name, (first, second) in comparison.costs.items():
        if first.count or second.count:
            table.add_row(LABELS[name], number_text(first.mean), number_text(second.mean))
    apart = f"{comparison.only_first:,} only in the first, {comparison.only_second:,} in the second"
    parts: list[RenderableType] = [
        Text.assemble("difference ", (points_text(comparison.difference), "bold")),
        Text(flips_text(comparison.test)),
        Text(f"{comparison.questions:,} questions in common, {apart}"),
        *map(_verdict, comparison.gates),
        table,
    ]
    if comparison.flips:
        parts.append(_flips(comparison))
    return Group(*parts)


def _verdict(gate: Gate) -> Text:
    return Text(gate.verdict, "green" if gate.valid else "bold red")


def _table(*columns: str) -> Table:
    table = Table(box=None, pad_edge=False, header_style="dim")
    for number, name in enumerate(columns):
        table.add_column(name, justify="right" if number else "left", no_wrap=True)
    return table


def _shares(title: str, shares: Mapping[str, Estimate]) -> Table:
    table = _table(title, "accuracy", "questions", "videos")
    for name, share in shares.items():
        counts = (f"{share.questions:,}", f"{share.videos:,}")
        table.add_row(Text(plain_text(name)), share_text(share), *counts)
    return table


def _costs(report: Report) -> Table:
    table = _table("", "mean", "p50", "p95")
    for name, label in LABELS.items():
        if report.measures[name].count:
            table.add_row(label, *measure_texts(report.measures[name]))
    return table


def _flips(comparison: Comparison) -> Table:
    more = len(comparison.flips) - SHOWN_FLIPS
    title = f"flipped ({more:,} more not shown)" if more > 0 else "flipped"
    table = Table(box=None, pad_edge=False, header_style="dim")
    for name in (title, "expected", "first", "second", "question"):
        table.add_column(name, no_wrap=True, overflow="ellipsis")
    for flip in comparison.flips[:SHOWN_FLIPS]:
        mark = Text("gained " if flip.gained else "lost ", "green" if flip.gained else "red")
        texts = (flip.expected, flip.first_answer, flip.second_answer, flip.question)
        cells = [Text(plain_text(text)) for text in texts]
        table.add_row(mark + Text(plain_text(flip.question_id)), *cells)
    return table
