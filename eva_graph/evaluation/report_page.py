"""Reports and comparisons as one HTML file: no script, nothing loaded, light and dark.

Every text that a file or a policy wrote is escaped; a content security policy admits the page's
own style alone.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from html import escape
from typing import Final

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

_STYLE: Final = """
:root { color-scheme: light dark; --ink: light-dark(#1c1e21, #e6e6e6);
  --dim: light-dark(#5c6166, #9aa0a6); --line: light-dark(#dcdfe3, #3a3d42);
  --good: light-dark(#1a7f37, #4ac26b); --bad: light-dark(#b42318, #ff7b72);
  --bar: light-dark(#2563ab, #78aef0); }
body { font: 15px/1.5 system-ui, sans-serif; color: var(--ink); max-width: 62rem;
  margin: 2rem auto; padding: 0 1rem; }
h1 { font-size: 1.5rem; margin: 0 0 .5rem; } h2 { font-size: 1.05rem; margin: 2rem 0 .5rem; }
p { margin: .25rem 0; } .dim { color: var(--dim); }
.big { font-size: 1.6rem; font-variant-numeric: tabular-nums; }
.good { color: var(--good); } .bad { color: var(--bad); font-weight: 600; }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums; }
th { text-align: left; font-weight: 500; color: var(--dim); }
th, td { padding: .25rem .75rem .25rem 0; border-bottom: 1px solid var(--line);
  vertical-align: top; overflow-wrap: anywhere; }
svg { width: 12rem; height: 1rem; display: block; }
.axis { stroke: var(--line); } .reach { stroke: var(--bar); stroke-width: 3; }
.value { fill: var(--bar); }
"""
_POLICY: Final = "default-src 'none'; style-src 'unsafe-inline'"


def report_page(report: Report) -> str:
    """The report as a whole HTML document."""
    asked = ", ".join(f"{name} {value}" for name, value in report.asked_for.items())
    parts = [
        f"<h1>Evaluation</h1><p class=dim>{_text(asked)}</p>",
        f"<p class=big>{_text(share_text(report.accuracy))}</p>",
        f"<p class=dim>{_text(asked_text(report.accuracy))}</p>{_bar(report.accuracy)}",
        _verdict(report.gate),
        _shares("By duration", report.by_duration),
        _shares("By question type", report.by_type),
        _costs(report),
        "<h2>Counted</h2>",
        *(f"<p>{_text(line)}</p>" for line in counted_lines(report)),
    ]
    return _page("Evaluation", parts)


def comparison_page(comparison: Comparison) -> str:
    """The comparison as a whole HTML document, every flip in it."""
    apart = f"{comparison.only_first:,} only in the first, {comparison.only_second:,} in the second"
    costs = [
        (LABELS[name], number_text(first.mean), number_text(second.mean))
        for name, (first, second) in comparison.costs.items()
        if first.count or second.count
    ]
    accuracy = ("accuracy", share_text(comparison.first), share_text(comparison.second))
    parts = [
        "<h1>Comparison</h1>",
        f"<p class=big>{_text(points_text(comparison.difference))}</p>",
        f"<p>{_text(flips_text(comparison.test))}</p>",
        f"<p class=dim>{comparison.questions:,} questions in common, {_text(apart)}</p>",
        *map(_verdict, comparison.gates),
        "<h2>Both runs</h2>",
        _table(("", "first", "second"), [accuracy, *costs]),
        _flips(comparison),
    ]
    return _page("Comparison", parts)


def _page(title: str, parts: Iterable[str]) -> str:
    return (
        "<!doctype html><html lang=en><head><meta charset=utf-8>"
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">'
        '<meta name=viewport content="width=device-width, initial-scale=1">'
        f"<title>{title}</title><style>{_STYLE}</style></head><body>{''.join(parts)}</body></html>\n"
    )


def _text(text: str | None) -> str:
    return escape(plain_text(text))


def _verdict(gate: Gate) -> str:
    return f"<p class={'good' if gate.valid else 'bad'}>{_text(gate.verdict)}</p>"


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table of texts."""
    return _markup_table(head, [[_text(cell) for cell in row] for row in rows])


def _markup_table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table whose cells are markup already."""
    titles = "".join(f"<th>{_text(name)}</th>" for name in head)
    body = "".join("<tr>" + "".join(f"<td>{cell}</td>" for cell in row) + "</tr>" for row in rows)
    return (
        f"<div class=scroll><table><thead><tr>{titles}</tr></thead>"
        f"<tbody>{body}</tbody></table></div>"
    )


def _shares(title: str, shares: Mapping[str, Estimate]) -> str:
    if not shares:
        return ""
    rows = [
        (
            _text(name),
            _text(share_text(share)),
            _bar(share),
            f"{share.questions:,}",
            f"{share.videos:,}",
        )
        for name, share in shares.items()
    ]
    head = ("", "accuracy", "0 to 100 %", "questions", "videos")
    return f"<h2>{title}</h2>{_markup_table(head, rows)}"


def _costs(report: Report) -> str:
    rows = [
        (label, *measure_texts(report.measures[name]))
        for name, label in LABELS.items()
        if report.measures[name].count
    ]
    return f"<h2>Cost of an episode</h2>{_table(('', 'mean', 'p50', 'p95'), rows)}"


def _flips(comparison: Comparison) -> str:
    if not comparison.flips:
        return "<h2>No question flipped</h2>"
    rows = [
        (
            "gained" if flip.gained else "lost",
            flip.question_id,
            flip.expected or "-",
            flip.first_answer or "-",
            flip.second_answer or "-",
            flip.question,
        )
        for flip in comparison.flips
    ]
    head = ("", "id", "expected", "first", "second", "question")
    return f"<h2>Flipped questions</h2>{_table(head, rows)}"


def _bar(share: Estimate) -> str:
    """The value and its interval on an axis from 0 to 100 %."""
    if share.value is None:
        return ""
    low, value, high = (round(100 * at, 2) for at in (share.low, share.value, share.high))
    return (
        f'<svg viewBox="0 0 100 8" preserveAspectRatio="none" role="img" '
        f'aria-label="{_text(share_text(share))}"><line class=axis x1="0" y1="4" x2="100" y2="4"/>'
        f'<line class=reach x1="{low}" y1="4" x2="{high}" y2="4"/>'
        f'<rect class=value x="{value - 0.6}" y="0" width="1.2" height="8"/></svg>'
    )
