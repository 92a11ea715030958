"""The data set card: what is in an export, where it comes from, and what was left out and why.

Written from counts alone, without a date, so that equal exports have equal cards.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from eva_graph_training.export.counts import ExportCounts
from eva_graph_training.export.row import Form, FrameDelivery
from eva_graph_training.export.selection import Selection, Split


@dataclass(frozen=True, slots=True, kw_only=True)
class Provenance:
    """Where the rows come from and how they were made."""

    runs: Sequence[tuple[str, int]]
    """Name of each run directory, and how many finished episodes it holds."""
    selection: Selection
    split: Split
    delivery: FrameDelivery
    max_tokens: int | None
    deduplicated: bool
    allowed: Sequence[str]
    """Findings of the vision-integrity check that did not stop the export."""
    software: Mapping[str, str]
    """Versions of what made the export."""


def write_card(form: Form, counts: ExportCounts, provenance: Provenance) -> str:
    """The card as Markdown, with the YAML head that data set hubs read."""
    sections = [
        _head(form, counts),
        _contents(form, counts, provenance),
        _table("Left out: records", counts.dropped),
        _table("Left out: rows of records that gave others", counts.left_out),
        _table("Labels", counts.labels),
        _table("Decisions of labelling", counts.decisions),
        _table("Answers", counts.answers),
        _table("Stop reasons", counts.stop_reasons),
        _origin(counts, provenance),
        f"## How to load\n\n```\n{form.how_to_load}```",
    ]
    return "\n\n".join(section for section in sections if section) + "\n"


def _head(form: Form, counts: ExportCounts) -> str:
    tags = "".join(f"- {tag}\n" for tag in ("video-question-answering", "agent", "eva-graph"))
    return (
        f"---\ntags:\n{tags}---\n\n# Trajectories of a video agent, as `{form.name}`\n\n"
        f"For {form.consumer}. {sum(counts.rows.values())} rows from {counts.exported} episodes. "
        "Frames are pictures of the source videos and stay under the licences of those videos."
    )


def _contents(form: Form, counts: ExportCounts, provenance: Provenance) -> str:
    lines = ["## Contents", "", "| file | rows |", "| --- | ---: |"]
    lines += [f"| `{name}` | {counts.rows[name]} |" for name in sorted(counts.rows)]
    lines += ["", f"- {counts.turns} turns, {counts.frames} frames, {_delivery(provenance)}"]
    sides = [f"{len(videos)} in {side}" for side, videos in sorted(counts.videos.items())]
    lines.append(f"- videos: {_listed(sides)}; none is on both sides of the split")
    if counts.edited_turns:
        lines.append(f"- {counts.edited_turns} turns were edited by a person; no loss covers them")
    if form.re_encodes:
        lines.append(
            f"- {counts.non_canonical_turns} turns are non-canonical: their text, which is encoded "
            "anew for training, gives other token ids than the policy sampled"
        )
    return "\n".join(lines)


def _delivery(provenance: Provenance) -> str:
    return {
        FrameDelivery.PATH: "frames named by their files in the runs (keep the runs)",
        FrameDelivery.COPY: "frames copied into `frames/`",
        FrameDelivery.INLINE: "frames inside the rows",
    }[provenance.delivery]


def _table(title: str, counted: Mapping[str, int]) -> str:
    if not counted:
        return ""
    lines = [f"| {_cell(name)} | {number} |" for name, number in sorted(counted.items())]
    return "\n".join([f"## {title}", "", "| | |", "| --- | ---: |", *lines])


def _origin(counts: ExportCounts, provenance: Provenance) -> str:
    split, limit = provenance.split, provenance.max_tokens
    facts = {
        "runs": _listed(f"{name}: {number} episodes" for name, number in provenance.runs),
        "episodes read": str(counts.records),
        "policies": _listed(
            f"{name}: {number}" for name, number in sorted(counts.policies.items())
        ),
        "recorded with": _listed(sorted(counts.versions)),
        "exported with": _listed(f"{name} {n}" for name, n in provenance.software.items()),
        "filters": _listed(f"{k}: {v}" for k, v in provenance.selection.described().items()),
        "split": f"{split.train_fraction:g} of the videos train, seed {split.seed}",
        "longest row": f"{limit} tokens; longer ones are left out, none is cut" if limit else "",
        "duplicates": "left out (same video, question and text)" if provenance.deduplicated else "",
        "integrity findings allowed": _listed(provenance.allowed),
    }
    lines = [f"| {name} | {_cell(text) or 'none'} |" for name, text in facts.items()]
    return "\n".join(["## Provenance", "", "| | |", "| --- | --- |", *lines])


def _listed(items: Iterator[str] | Sequence[str]) -> str:
    return "; ".join(items)


def _cell(text: str) -> str:
    return " ".join(text.replace("|", "\\|").split())
