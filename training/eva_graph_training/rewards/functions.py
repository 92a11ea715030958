"""The reward as TRL takes it: one function a term, each logged under its name.

    rewards = reward_functions(recipe.grpo.rewards, judge=judge)
    GRPOTrainer(
        reward_funcs=rewards.functions,
        args=GRPOConfig(reward_weights=rewards.weights, …),
        environment_factory=…,
    )

The first function that TRL calls scores the batch for all of them. Beside TRL's `rewards/<term>`
the log gets `judge/*` (looks judged, remembered, failed so far), `attempts/unscored`,
`attempts/blind` (answered without a look) and `answers/most_common`, the share of the most frequent
answer: a policy that collapses to one letter is seen there first. The table of completions gets the
answers as read.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any, TypeAlias

from eva_graph.policy.protocol import Policy
from eva_graph_training.errors import DataError
from eva_graph_training.recipe.settings import RewardSettings
from eva_graph_training.rewards.attempt import Attempt
from eva_graph_training.rewards.scoring import Scorer, Terms

RewardFunction: TypeAlias = Callable[..., list[float | None]]


@dataclass(frozen=True, slots=True, kw_only=True)
class RewardFunctions:
    """`functions` for TRL's `reward_funcs` and, in the same order, `weights` for its config."""

    functions: list[RewardFunction]
    weights: list[float]


def reward_functions(settings: RewardSettings, judge: Policy | None = None) -> RewardFunctions:
    """TRL's reward functions for rollouts of `VideoEnvironment`, or for rows with an `attempt`.

    Args:
        settings: of the recipe; a term of weight 0 is left out.
        judge: the frozen judge; None: the one that `settings.judge` names.

    Raises:
        RecipeError: no judge, or weights under which hacking pays.
    """
    scorer = Scorer(settings, judge)
    batch = _Batch(scorer)
    return RewardFunctions(
        functions=[_function(name, batch) for name in scorer.weights],
        weights=list(scorer.weights.values()),
    )


def _function(name: str, batch: _Batch) -> RewardFunction:
    def reward(completions: Sequence[Any], **columns: Any) -> list[float | None]:
        return [terms[name] for terms in batch.terms(completions, columns)]

    reward.__name__ = name
    return reward


class _Batch:
    """The scores of the batch that TRL is asking about, made once for all its functions."""

    def __init__(self, scorer: Scorer) -> None:
        self._scorer = scorer
        self._completions: Sequence[Any] | None = None
        self._terms: list[Terms] = []

    def terms(self, completions: Sequence[Any], columns: dict[str, Any]) -> list[Terms]:
        if completions is not self._completions:
            attempts = _attempts(completions, columns)
            self._terms = self._scorer.score(attempts)
            self._completions = completions
            if "log_metric" in columns:
                self._log(attempts, columns)
        return self._terms

    def _log(self, attempts: Sequence[Attempt], columns: dict[str, Any]) -> None:
        answered = [attempt for attempt in attempts if attempt.answer is not None]
        unscored = sum(self._scorer.reward(terms) is None for terms in self._terms)
        common = Counter((attempt.answer or "").casefold() for attempt in answered)
        metrics = {
            "attempts/unscored": unscored / len(attempts),
            "attempts/blind": sum(not attempt.looks for attempt in answered) / len(attempts),
            "answers/most_common": max(common.values(), default=0) / len(attempts),
        }
        if self._scorer.verification is not None:
            counts = asdict(self._scorer.verification.counts)
            metrics |= {f"judge/{name}": float(count) for name, count in counts.items()}
        for name, value in metrics.items():
            columns["log_metric"](name, value)
        columns["log_extra"]("answer", [attempt.answer for attempt in attempts])
        columns["log_extra"]("stop_reason", [str(attempt.stop_reason) for attempt in attempts])


def _attempts(completions: Sequence[Any], columns: dict[str, Any]) -> list[Attempt]:
    if "environments" in columns:
        pairs = zip(columns["environments"], completions, strict=True)
        return [
            Attempt.of_rollout(environment.account, messages) for environment, messages in pairs
        ]
    attempts = list(columns.get("attempt", [None]))
    if None not in attempts:
        return attempts
    raise DataError(
        "rewards need rollouts of VideoEnvironment (environment_factory=…) or an `attempt` beside "
        "each row: the text of a rollout does not tell what was looked at"
    )
