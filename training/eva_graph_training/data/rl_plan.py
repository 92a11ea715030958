"""What an RL set is made of, and what became of the questions."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from eva_graph.episode import Wiring
from eva_graph.evaluation.questions import EvalQuestion
from eva_graph.policy.protocol import Policy
from eva_graph.state import Context
from eva_graph_training.data.enhancement import Round
from eva_graph_training.data.rl_choice import Standing
from eva_graph_training.data.tasks import Task, TaskSet
from eva_graph_training.export.selection import Split
from eva_graph_training.recipe import DataSettings


@dataclass(frozen=True, slots=True, kw_only=True)
class RlPlan:
    """What is built.

    Attributes:
        out: folder of the set.
        questions: of all sources, an earlier set's among them.
        wiring: the current policy, with how videos are opened and looked at.
        context: knobs of its attempts.
        data: sizes, attempts and thresholds.
        teacher: writes new questions; None: no rounds.
        unseen: files to write them on.
        missing: listed videos that lie nowhere.
        questions_per_video: that the teacher is asked for.
        seed: of order, split and sampling.
        workers: episodes played, or videos written about, at once.
    """

    out: Path
    questions: Sequence[EvalQuestion]
    wiring: Wiring
    context: Context
    data: DataSettings
    teacher: Policy | None = None
    unseen: Sequence[Path] = ()
    missing: int = 0
    questions_per_video: int = 3
    seed: int = 0
    workers: int = 1

    @property
    def rounds(self) -> int:
        """Rounds of enhancement."""
        return 0 if self.teacher is None else self.data.enhancement_rounds

    @property
    def split(self) -> Split:
        """Which videos train."""
        return Split(train_fraction=1 - self.data.held_out_share, seed=self.seed)


@dataclass(slots=True, kw_only=True)
class RlCounts:
    """What became of the questions.

    Attributes:
        chosen: what was made of the given ones before anything was played.
        unseen: videos that could be written about, and those that could not, by reason.
        rounds: of enhancement.
        rows: questions of the set, by kind and standing.
        left_out: questions that the set has no room for, by kind.
    """

    chosen: TaskSet = field(default_factory=TaskSet)
    unseen: Counter[str] = field(default_factory=Counter)
    rounds: list[Round] = field(default_factory=list)
    rows: Counter[str] = field(default_factory=Counter)
    left_out: Counter[str] = field(default_factory=Counter)

    def count(
        self,
        questions: Sequence[Task],
        tasks: Sequence[Task],
        known: Mapping[str, Standing],
        *,
        threshold: float,
    ) -> None:
        """Count the set and what it has no room for."""
        taken = {task.key for task in questions}
        for task in tasks:
            kind = "multiple choice" if task.question.options else "open"
            standing = known.get(task.key)
            how = (
                "not played"
                if standing is None
                else ("failed" if standing.mean < threshold else "solved")
            )
            (self.rows if task.key in taken else self.left_out)[f"{kind}, {how}"] += 1

    def to_json(self) -> dict[str, Any]:
        """The counts as plain JSON."""
        return {
            "questions": self.chosen.questions,
            "questions_left_out": dict(self.chosen.left_out),
            "held_out": len(self.chosen.held_out),
            "unseen": dict(self.unseen),
            "rounds": [done.to_json() for done in self.rounds],
            "rows": dict(self.rows),
            "left_out": dict(self.left_out),
        }
