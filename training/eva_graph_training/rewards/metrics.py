"""What rollouts were like, in numbers for the log of a training."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from eva_graph.state import StopReason
from eva_graph_training.rewards.attempt import Attempt

_ENDINGS = (
    StopReason.ANSWERED,
    StopReason.FORCED,
    StopReason.BUDGET,
    StopReason.CONTEXT_OVERFLOW,
    StopReason.NO_ANSWER,
    StopReason.TRUNCATED,
    StopReason.POLICY_ERROR,
)
"""All endings that a rollout of the corrected profile can have."""


def rollout_metrics(attempts: Sequence[Attempt]) -> dict[str, float]:
    """Means over rollouts, and the share of each ending; names are the same for every batch."""
    number = len(attempts)
    endings = Counter(attempt.stop_reason for attempt in attempts)
    frames = sum(len(look.frames) for attempt in attempts for look in attempt.looks)
    return {
        "rollouts/turns": sum(attempt.turns for attempt in attempts) / number,
        "rollouts/looks": sum(len(attempt.looks) for attempt in attempts) / number,
        "rollouts/frames": frames / number,
        "rollouts/visual_tokens": sum(attempt.visual_tokens for attempt in attempts) / number,
        "rollouts/answered": sum(attempt.answer is not None for attempt in attempts) / number,
        **{f"stop/{ending.value}": endings[ending] / number for ending in _ENDINGS},
    }
