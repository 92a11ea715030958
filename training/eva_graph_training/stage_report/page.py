"""A stage's report as one HTML file: no script, nothing loaded, light and dark.

Every text that a model, a file or a recipe wrote is escaped; a content security policy admits the
page's own style and the pictures in it alone.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from html import escape
from typing import Any, Final

from eva_graph.evaluation.figures import (
    LABELS,
    asked_text,
    flips_text,
    number_text,
    points_text,
    share_text,
)
from eva_graph_training.stage_report.answers import HeldOut

_POLICY: Final = "default-src 'none'; style-src 'unsafe-inline'; img-src data:"
_STYLE: Final = """
:root { color-scheme: light dark; --ink: light-dark(#1c1e21, #e6e6e6);
  --dim: light-dark(#5c6166, #9aa0a6); --line: light-dark(#dcdfe3, #3a3d42);
  --good: light-dark(#1a7f37, #4ac26b); --bad: light-dark(#b42318, #ff7b72);
  --pale: light-dark(#f5f6f8, #202327); }
body { font: 15px/1.5 system-ui, sans-serif; color: var(--ink); max-width: 68rem;
  margin: 2rem auto; padding: 0 1rem; }
h1 { font-size: 1.5rem; margin: 0 0 .5rem; } h2 { font-size: 1.1rem; margin: 2rem 0 .5rem; }
p { margin: .25rem 0; } .dim { color: var(--dim); } .scroll { overflow-x: auto; }
.big { font-size: 1.6rem; font-variant-numeric: tabular-nums; }
.right { color: var(--good); } .wrong, .bad { color: var(--bad); }
.curves { display: grid; grid-template-columns: repeat(auto-fill, minmax(19rem, 1fr));
  gap: .75rem; }
.curves img { width: 100%; border: 1px solid var(--line); border-radius: 4px; background: #fff; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; }
th { text-align: left; font-weight: 500; color: var(--dim); }
th, td { padding: .2rem 1rem .2rem 0; border-bottom: 1px solid var(--line); vertical-align: top;
  overflow-wrap: anywhere; }
details { border: 1px solid var(--line); border-radius: 4px; padding: .5rem .75rem;
  margin: .5rem 0; }
summary { cursor: pointer; }
pre { white-space: pre-wrap; overflow-wrap: anywhere; background: var(--pale); padding: .5rem;
  border-radius: 4px; margin: .5rem 0 .25rem; font-size: 13px; }
.frames { display: flex; flex-wrap: wrap; gap: .35rem; margin: .25rem 0 .75rem; }
figure { margin: 0; } figcaption { font-size: 11px; color: var(--dim); }
"""
_GIBIBYTE: Final = 2**30


def report_page(
    told: Mapping[str, Any], pictures: Iterable[tuple[str, str]], scores: HeldOut | None
) -> str:
    """The whole document.

    Args:
        told: what `report.json` says.
        pictures: name and PNG in base64 of each curve.
        scores: of the held-out questions, where there are any.
    """
    title = f"{told['stage'].upper()}: {told['recipe']}"
    parts = [
        f"<h1>{_text(title)}</h1>",
        f"<p class=dim>{_text(told['start'])} → {_text(told['model'])}</p>",
        f"<p>{told['steps']:,} steps on {told['data']['rows']:,} rows{_time(told)}</p>",
        _held_out(scores),
        "<h2>Curves</h2><p class=dim>every logged value, and their trailing mean</p>",
        f"<div class=curves>{''.join(_curve(*one) for one in pictures)}</div>",
        _transcripts(told["transcripts"], held_out=scores is not None),
        *_tables(told),
    ]
    return (
        "<!doctype html><html lang=en><head><meta charset=utf-8>"
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">'
        '<meta name=viewport content="width=device-width, initial-scale=1">'
        f"<title>{_text(title)}</title><style>{_STYLE}</style></head>"
        f"<body>{''.join(parts)}</body></html>\n"
    )


def _text(value: object) -> str:
    return escape("-" if value is None else str(value))


def _time(told: Mapping[str, Any]) -> str:
    seconds = told["seconds"]
    return "" if seconds is None else f", {seconds:,.0f} s in the process that ended it"


def _held_out(scores: HeldOut | None) -> str:
    if scores is None:
        return "<h2>Held-out score</h2><p class=dim>no questions are held out in this recipe</p>"
    result = scores.comparison
    rows = [
        ("accuracy", share_text(result.first), share_text(result.second)),
        *(
            (LABELS[name], number_text(first.mean), number_text(second.mean))
            for name, (first, second) in result.costs.items()
            if first.count or second.count
        ),
    ]
    gates = [f"<p class=bad>{_text(gate.verdict)}</p>" for gate in result.gates if not gate.valid]
    return (
        f"<h2>Held-out score</h2><p class=big>{_text(points_text(result.difference))}</p>"
        f"<p>{_text(flips_text(result.test))}</p>"
        f"<p class=dim>{_text(asked_text(result.second))}; greedy</p>{''.join(gates)}"
        f"{_table(('', 'before', 'after'), rows)}"
    )


def _curve(name: str, png: str) -> str:
    return f'<img alt="{_text(name)}" src="data:image/png;base64,{png}">'


def _tables(told: Mapping[str, Any]) -> list[str]:
    data, machine = told["data"], dict(told["machine"])
    left = [(f"left out: {why}", str(n)) for why, n in data.get("left_out", {}).items()]
    for name in ("peak_memory_bytes", "peak_gpu_memory_bytes"):
        if name in machine:
            machine[name.replace("_bytes", "_GiB")] = f"{machine.pop(name) / _GIBIBYTE:.2f}"
    return [
        _pairs("Data", {"rows": data["rows"], **dict(left)}),
        _pairs("Logged once, at the end", {k: f"{v:.6g}" for k, v in told["totals"].items()}),
        _pairs("Settings", told["settings"]),
        _pairs("What the paper leaves open", told["not_stated"]),
        _pairs("Machine", {"devices": told["devices"], **machine}),
        _pairs("Versions", told["versions"]),
    ]


def _pairs(title: str, values: Mapping[str, object]) -> str:
    rows = [(str(name).replace("_", " "), value) for name, value in values.items()]
    return f"<h2>{_text(title)}</h2>{_table(('', ''), rows)}" if rows else ""


def _table(head: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    titles = "".join(f"<th>{_text(name)}</th>" for name in head)
    body = "".join(
        "<tr>" + "".join(f"<td>{_text(cell)}</td>" for cell in row) + "</tr>" for row in rows
    )
    return f"<div class=scroll><table><tr>{titles}</tr>{body}</table></div>"


def _transcripts(played: Sequence[Mapping[str, Any]], *, held_out: bool) -> str:
    origin = "held-out questions" if held_out else "questions that the stage was trained on"
    note = f"the trained model, greedy, on {origin}" if played else "none: see `transcripts`"
    return f"<h2>Sample episodes</h2><p class=dim>{note}</p>" + "".join(map(_transcript, played))


def _transcript(one: Mapping[str, Any]) -> str:
    turns = "".join(_turn(number, turn) for number, turn in enumerate(one["turns"], 1))
    options = "".join(f"<p>{_text(key)}. {_text(text)}</p>" for key, text in one["options"].items())
    return (
        f"<details><summary>{_text(one['question'])} <span class={one['verdict']}>"
        f"{_text(one['answer'])} ({one['verdict']})</span></summary>{options}"
        f"<p class=dim>{_text(one['video'])}, expected {_text(one['expected'])}, "
        f"ended by {_text(one['stop_reason'])}</p>{turns}</details>"
    )


def _turn(number: int, turn: Mapping[str, Any]) -> str:
    error = f"<p class=bad>{_text(turn['error'])}</p>" if turn["error"] else ""
    looks = "".join(map(_look, turn["looks"]))
    return f"<p class=dim>turn {number}</p><pre>{_text(turn['text'])}</pre>{error}{looks}"


def _look(look: Mapping[str, Any]) -> str:
    told = look["error"] or f"{look['frames']} frame{'s' * (look['frames'] != 1)}"
    pictures = "".join(
        f'<figure><img alt="frame" src="data:image/webp;base64,{one["webp"]}">'
        f"<figcaption>{one['pts_seconds']:.2f} s</figcaption></figure>"
        for one in look["pictures"]
    )
    return (
        f"<p>{_text(look['tool'])} {_text(json.dumps(look['arguments']))}: {_text(told)}</p>"
        f"<div class=frames>{pictures}</div>"
    )
