"""Rewards of recorded episodes, written into their records.

`trl-grpo` exports carry them, and `rollouts.recorded_reward` gives them to the trainer. A record
that cannot be scored keeps the reward that it has: a person or another tool gave it.
"""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from eva_graph.trajectory import RunStore, Trajectory
from eva_graph_training.rewards.attempt import Attempt
from eva_graph_training.rewards.scoring import Scorer, Terms

_TOGETHER: Final = 64
"""Records whose looks are judged side by side."""


@dataclass(slots=True, kw_only=True)
class RewardReport:
    """Sums over a run.

    Attributes:
        episodes: all of them.
        scored: those that have a reward.
        reward: sum of their rewards.
        terms: sum of each term, unweighted.
        measured: how many had each term.
        judge_failed: looks that the judge gave no answer to.
    """

    episodes: int = 0
    scored: int = 0
    reward: float = 0.0
    terms: dict[str, float] = field(default_factory=dict)
    measured: Counter[str] = field(default_factory=Counter)
    judge_failed: int = 0

    def add(self, terms: Terms, reward: float | None) -> None:
        """Count one episode."""
        self.episodes += 1
        if reward is None:
            return
        self.scored += 1
        self.reward += reward
        for name, value in terms.items():
            if value is not None:
                self.terms[name] = self.terms.get(name, 0.0) + value
                self.measured[name] += 1

    def summary(self) -> str:
        """The means in one line."""
        failed = f", the judge failed at {self.judge_failed:,} looks" if self.judge_failed else ""
        if not self.scored:
            return f"{self.episodes:,} episodes, none of which could be rewarded{failed}"
        parts = ", ".join(f"{name} {value:.3f}" for name, value in self._means().items())
        return (
            f"{self.scored:,} of {self.episodes:,} episodes rewarded, on average "
            f"{self.reward / self.scored:.3f} ({parts}){failed}"
        )

    def to_json(self) -> dict[str, Any]:
        """Counts and means."""
        return {
            "episodes": self.episodes,
            "scored": self.scored,
            "reward": self.reward / self.scored if self.scored else None,
            "terms": self._means(),
            "judge_failed": self.judge_failed,
        }

    def _means(self) -> dict[str, float]:
        return {name: value / self.measured[name] for name, value in self.terms.items()}


def reward_run(
    store: RunStore,
    scorer: Scorer,
    *,
    write: bool = True,
    advance: Callable[[], None] = lambda: None,
) -> RewardReport:
    """Reward every record of a run; changed ones are written back as amended records.

    Raises:
        TrajectoryError: nothing was recorded, or a record cannot be read or written.
        PolicyError: the judge fails again and again.
        FrameMissing: the judge was to see a frame that is gone.
    """
    report = RewardReport()
    amended = _amended(store, scorer, report, advance)
    if write:
        store.amend(amended)
    else:
        for _ in amended:
            continue
    if scorer.verification is not None:
        report.judge_failed = scorer.verification.counts.failed
    return report


def _amended(
    store: RunStore, scorer: Scorer, report: RewardReport, advance: Callable[[], None]
) -> Iterator[Trajectory]:
    """The records whose reward changes; all are added to the report."""
    records = store.records()
    while together := list(itertools.islice(records, _TOGETHER)):
        for record, terms in zip(together, _scored(store, scorer, together), strict=True):
            reward = scorer.reward(terms)
            report.add(terms, reward)
            advance()
            if reward is not None and reward != record.reward:
                yield record.model_copy(update={"reward": reward})


def _scored(store: RunStore, scorer: Scorer, records: Sequence[Trajectory]) -> list[Terms]:
    return scorer.score([Attempt.of_record(record, store.frames.read) for record in records])
