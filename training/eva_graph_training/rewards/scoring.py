"""All terms of finished attempts with a recipe's weights; what cannot be scored is left out whole.

An attempt has no reward where nobody knows the right answer, where the judge failed, or where the
policy's server did: then every term is None, so that it neither counts as wrong nor moves the
baseline of its group.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, TypeAlias

from eva_graph.policy.protocol import Policy
from eva_graph.policy.resolve import resolve_policy
from eva_graph.state import StopReason
from eva_graph_training.errors import RecipeError
from eva_graph_training.recipe.schema import model_folder
from eva_graph_training.recipe.settings import RewardSettings
from eva_graph_training.rewards.attempt import Attempt
from eva_graph_training.rewards.terms import (
    LOWEST_GUESS,
    accuracy,
    evidence_overlap,
    format_bonus,
    repeated_looks,
    self_verified,
    visual_cost,
)
from eva_graph_training.rewards.verification import SelfVerification

ACCURACY: Final = "accuracy"
Terms: TypeAlias = dict[str, float | None]
"""Values by term, unweighted."""


class Scorer:
    """Scores attempts; keeps the judge and what it has judged. Not for use by several threads.

    Args:
        settings: of the recipe.
        judge: the frozen judge; None: the policy that `settings.judge` names.

    Attributes:
        weights: of the terms that count, by name, in the order in which they are logged.
        verification: the judge's work; None where there is no self-verification.

    Raises:
        RecipeError: no judge, or weights under which hacking pays.
        InvalidRequest, MissingExtra: `settings.judge` cannot be resolved.
    """

    def __init__(self, settings: RewardSettings, judge: Policy | None = None) -> None:
        _check(settings)
        self._settings = settings
        weights = {
            ACCURACY: settings.accuracy_weight,
            "format": settings.format_weight,
            "evidence": settings.evidence_weight,
            "cost": settings.cost_weight,
            "repeat": settings.repeat_weight,
        }
        self.weights = {name: weight for name, weight in weights.items() if weight}
        self.verification: SelfVerification | None = None
        chosen = judge or judge_of(settings)
        if settings.self_verification and chosen is not None:
            self.verification = SelfVerification(chosen)

    def score(self, attempts: Sequence[Attempt]) -> list[Terms]:
        """The terms of each attempt, in order.

        Raises:
            PolicyError: the judge fails again and again.
            FrameMissing: a frame that it was to see is gone.
        """
        earned = self._earned(attempts)
        return [self._terms(*pair) for pair in zip(attempts, earned, strict=True)]

    def reward(self, terms: Terms) -> float | None:
        """The weighted sum; None for an attempt that could not be scored."""
        if all(value is None for value in terms.values()):
            return None
        return sum(weight * (terms[name] or 0.0) for name, weight in self.weights.items())

    def _earned(self, attempts: Sequence[Attempt]) -> list[float | None]:
        """Accuracy, self-verified where the settings say so; None: cannot be scored."""
        earned = [_plain(attempt) for attempt in attempts]
        if self.verification is None:
            return earned
        choices = [place for place, attempt in enumerate(attempts) if attempt.question.options]
        right = [place for place in choices if earned[place]]
        seen = [place for place in right if attempts[place].last_round]
        answers = self.verification.answers([attempts[place] for place in seen])
        for place in set(right) - set(seen):
            earned[place] = 0.0
        for place, answer in zip(seen, answers, strict=True):
            earned[place] = None if answer is None else self_verified(attempts[place], answer)
        return earned

    def _terms(self, attempt: Attempt, earned: float | None) -> Terms:
        if earned is None:
            return dict.fromkeys(self.weights)
        settings = self._settings
        values: Terms = {
            ACCURACY: earned,
            "format": format_bonus(attempt, accuracy=earned, bonus=settings.format_bonus),
            "evidence": evidence_overlap(attempt),
            "cost": visual_cost(attempt, accuracy=earned, scale_tokens=settings.cost_scale_tokens),
            "repeat": repeated_looks(attempt),
        }
        return {name: values[name] for name in self.weights}


def _plain(attempt: Attempt) -> float | None:
    return None if attempt.stop_reason is StopReason.POLICY_ERROR else accuracy(attempt)


def judge_of(settings: RewardSettings, model: str | None = None) -> Policy | None:
    """The frozen judge that the settings name, else the one of `model`; None: none is needed.

    Args:
        model: the recipe's, where the chain starts.

    Raises:
        RecipeError: self-verification without a judge.
        InvalidRequest, MissingExtra: the judge cannot be resolved.
    """
    if not settings.self_verification:
        return None
    name = settings.judge or model
    if name is None:
        raise RecipeError(
            "self-verification needs a judge: set rewards.judge to a model folder or a server's "
            "URL, or rewards.self_verification to false"
        )
    return resolve_policy(name if "://" in name else model_folder(name))


def _check(settings: RewardSettings) -> None:
    if settings.accuracy_weight <= settings.cost_weight + settings.repeat_weight:
        raise RecipeError(
            "rewards.accuracy_weight must be above cost_weight and repeat_weight together: a right "
            "answer would bring nothing"
        )
    guess = LOWEST_GUESS * settings.accuracy_weight
    if settings.format_weight * settings.format_bonus >= guess:
        raise RecipeError(
            f"rewards.format_bonus times format_weight must be below {guess:g}, what guessing "
            "brings: pretending to look would pay"
        )
