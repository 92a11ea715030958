"""What an export took and what it left out, and why: counted while it runs, shown in its card."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field, fields
from typing import Any

from eva_graph.trajectory import Trajectory
from eva_graph_training.export.lengths import TokenCounter, broken_prefixes


@dataclass(slots=True, kw_only=True)
class ExportCounts:
    """Counts of one export.

    Attributes:
        records: finished episodes read.
        exported: those of which at least one row was written.
        rows: rows by file name.
        dropped: records left out, by reason.
        left_out: rows left out of records that gave others, by reason.
        videos: distinct videos by side.
        labels, stop_reasons, answers: of the exported records.
        decisions: what KTO makes of the exported records.
        turns, edited_turns: of the exported records.
        non_canonical_turns: those whose text is encoded to other ids than were sampled.
        frames: shown in the exported records, each as often as it was shown.
    """

    records: int = 0
    exported: int = 0
    rows: Counter[str] = field(default_factory=Counter)
    dropped: Counter[str] = field(default_factory=Counter)
    left_out: Counter[str] = field(default_factory=Counter)
    videos: dict[str, set[str]] = field(default_factory=dict)
    labels: Counter[str] = field(default_factory=Counter)
    stop_reasons: Counter[str] = field(default_factory=Counter)
    answers: Counter[str] = field(default_factory=Counter)
    decisions: Counter[str] = field(default_factory=Counter)
    policies: Counter[str] = field(default_factory=Counter)
    versions: Counter[str] = field(default_factory=Counter)
    turns: int = 0
    edited_turns: int = 0
    non_canonical_turns: int = 0
    frames: int = 0

    def add(self, record: Trajectory, side: str, counter: TokenCounter | None) -> None:
        """Count an exported record."""
        self.exported += 1
        self.videos.setdefault(side, set()).add(record.video.video_id)
        self.labels.update(record.labels)
        self.stop_reasons[record.stop_reason or "unfinished"] += 1
        self.answers[{True: "right", False: "wrong", None: "not known"}[record.correct]] += 1
        decision = {True: "desirable", False: "undesirable", None: "neither, or not labelled"}
        self.decisions[decision[record.desirable]] += 1
        self.policies[f"{record.policy.name} ({record.policy.backend}, {record.dialect})"] += 1
        self.versions.update(f"{name} {number}" for name, number in record.versions.items())
        self.turns += len(record.turns)
        self.edited_turns += sum(turn.edited for turn in record.turns)
        self.non_canonical_turns += (
            broken_prefixes(record) if counter is None else counter.non_canonical(record)
        )
        self.frames += record.usage.frames

    def to_json(self) -> dict[str, Any]:
        """The counts as plain JSON; of videos, how many there are."""
        values = {each.name: getattr(self, each.name) for each in fields(self)}
        counted = {name: dict(value) for name, value in values.items() if isinstance(value, dict)}
        return values | counted | {"videos": {k: len(v) for k, v in self.videos.items()}}
