"""What labelling found, as a table for people and as plain JSON."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from rich.table import Table

from eva_graph.commands.run_table import plain
from eva_graph_training.labels.rule import Rule


@dataclass(frozen=True, slots=True, kw_only=True)
class Labelled:
    """One episode's labels: `reasons` says for each why it was given, in one line."""

    trajectory_id: str
    correct: bool | None
    reasons: dict[str, str]
    desirable: bool | None


@dataclass(slots=True, kw_only=True)
class LabelReport:
    """Counts over a run."""

    rules: Sequence[Rule]
    episodes: int = 0
    given: Counter[str] = field(default_factory=Counter)
    given_when_right: Counter[str] = field(default_factory=Counter)
    given_when_wrong: Counter[str] = field(default_factory=Counter)
    example: dict[str, str] = field(default_factory=dict)
    """For each label the first episode that got it, and why."""
    desirable: int = 0
    undesirable: int = 0

    def add(self, labelled: Labelled) -> None:
        """Count one episode."""
        self.episodes += 1
        self.desirable += labelled.desirable is True
        self.undesirable += labelled.desirable is False
        for name, reason in labelled.reasons.items():
            self.given[name] += 1
            self.given_when_right[name] += labelled.correct is True
            self.given_when_wrong[name] += labelled.correct is False
            self.example.setdefault(name, f"{labelled.trajectory_id[:8]}: {reason}")

    @property
    def neither(self) -> int:
        """Episodes that KTO leaves out."""
        return self.episodes - self.desirable - self.undesirable

    def summary(self) -> str:
        """The decision in one line."""
        decided = self.desirable + self.undesirable
        share = f", {self.desirable / decided:.0%} desirable" if decided else ""
        return (
            f"{self.episodes:,} episodes: {self.desirable:,} desirable, "
            f"{self.undesirable:,} undesirable, {self.neither:,} for neither side{share}"
        )

    def table(self) -> Table:
        """One line a rule."""
        table = Table(box=None, pad_edge=False, header_style="dim", expand=True)
        table.add_column("label", no_wrap=True)
        for name in ("episodes", "right", "wrong"):
            table.add_column(name, justify="right", no_wrap=True)
        table.add_column("for example", overflow="ellipsis", no_wrap=True, ratio=1)
        for rule in self.rules:
            counts = (self.given, self.given_when_right, self.given_when_wrong)
            cells = [f"{count[rule.name]:,}" for count in counts]
            table.add_row(rule.name, *cells, plain(self.example.get(rule.name, ""), 300))
        return table

    def to_json(self) -> dict[str, Any]:
        """Counts, and meaning and reason of every rule."""
        return {
            "episodes": self.episodes,
            "desirable": self.desirable,
            "undesirable": self.undesirable,
            "neither": self.neither,
            "labels": {
                rule.name: {
                    "kind": rule.kind,
                    "meaning": rule.meaning,
                    "reason": rule.reason,
                    "episodes": self.given[rule.name],
                    "right": self.given_when_right[rule.name],
                    "wrong": self.given_when_wrong[rule.name],
                    "example": self.example.get(rule.name),
                }
                for rule in self.rules
            },
        }
