"""What a KTO set is made of, and what became of the episodes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from eva_graph.episode import Wiring
from eva_graph.evaluation.questions import EvalQuestion
from eva_graph.state import Context
from eva_graph_training.data.kto_choice import Mix
from eva_graph_training.data.tasks import TaskSet
from eva_graph_training.export.selection import Split
from eva_graph_training.labels import Judge
from eva_graph_training.recipe import DataSettings


@dataclass(frozen=True, slots=True, kw_only=True)
class KtoPlan:
    """What is built.

    Attributes:
        out: folder of the set.
        runs: recorded runs to take episodes from, for example that of the SFT set.
        questions: to resample; needs `wiring`.
        wiring: the policy that is resampled, with how videos are opened and looked at.
        context: knobs of its attempts.
        data: size, share, attempts and thresholds.
        mix: what is done where the labels have another share.
        judge: says of each answered episode whether its evidence suffices.
        seed: of order, split, sampling and choice.
        workers: episodes played or judged at once.
    """

    out: Path
    runs: Sequence[Path]
    questions: Sequence[EvalQuestion]
    wiring: Wiring | None
    context: Context
    data: DataSettings
    mix: Mix = Mix.BALANCED
    judge: Judge | None = None
    seed: int = 0
    workers: int = 1

    @property
    def split(self) -> Split:
        """Which videos train."""
        return Split(train_fraction=1 - self.data.held_out_share, seed=self.seed)


@dataclass(slots=True, kw_only=True)
class KtoCounts:
    """What became of the episodes.

    Attributes:
        episodes: labelled, of all runs.
        left_out: those that are not in the set, by reason.
        desirable, undesirable: rows of the set.
        rules: labels of the rows, by name.
        rules_of_all: labels of all episodes.
        played: of the episodes, those that the policy played here.
    """

    episodes: int = 0
    left_out: Counter[str] = field(default_factory=Counter)
    desirable: int = 0
    undesirable: int = 0
    rules: Counter[str] = field(default_factory=Counter)
    rules_of_all: Counter[str] = field(default_factory=Counter)
    played: int = 0
    chosen: TaskSet = field(default_factory=TaskSet)

    @property
    def share(self) -> float:
        """Of the desirable rows."""
        rows = self.desirable + self.undesirable
        return self.desirable / rows if rows else 0.0

    def to_json(self) -> dict[str, Any]:
        """The counts as plain JSON."""
        return {
            "episodes": self.episodes,
            "played": self.played,
            "left_out": dict(self.left_out),
            "desirable": self.desirable,
            "undesirable": self.undesirable,
            "share": round(self.share, 4),
            "rules": dict(self.rules),
            "rules_of_all": dict(self.rules_of_all),
            "questions_left_out": dict(self.chosen.left_out),
        }
