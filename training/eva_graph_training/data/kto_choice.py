"""Which labelled episodes make the KTO set: their number, and the share of desirable ones. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from eva_graph_training.data.tasks import drawn


class Mix(StrEnum):
    """What is done where the labels are not at hand in the share that is wanted."""

    BALANCED = "balanced"
    """Leave out what one side has too much of."""
    WEIGHTED = "weighted"
    """Take all, up to the size; the trainer's weights make up for the share."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sides:
    """Episode ids that were chosen."""

    desirable: tuple[str, ...]
    undesirable: tuple[str, ...]

    @property
    def share(self) -> float:
        """Of the desirable ones; 0 of nothing."""
        total = len(self.desirable) + len(self.undesirable)
        return len(self.desirable) / total if total else 0.0


def choose_sides(
    desirable: Sequence[str],
    undesirable: Sequence[str],
    *,
    size: int,
    share: float,
    mix: Mix,
    seed: int,
) -> Sides:
    """A set of at most `size`, drawn by the seed.

    Args:
        desirable: ids of episodes with that label.
        undesirable: ids of the others.
        size: of both sides together.
        share: of desirable ones; met to the nearest episode where the mix is balanced.
    """
    if mix is Mix.BALANCED:
        wanted = balanced(len(desirable), len(undesirable), size=size, share=share)
    else:
        wanted = weighted(len(desirable), len(undesirable), size=size, share=share)
    return Sides(
        desirable=_draw(desirable, wanted[0], seed), undesirable=_draw(undesirable, wanted[1], seed)
    )


def balanced(desirable: int, undesirable: int, *, size: int, share: float) -> tuple[int, int]:
    """The most of each side with which the share holds."""
    total = size
    if share > 0:
        total = int(min(total, (desirable + 0.5) / share))
    if share < 1:
        total = int(min(total, (undesirable + 0.5) / (1 - share)))
    while True:
        wanted = round(total * share)
        if wanted <= desirable and total - wanted <= undesirable:
            return wanted, total - wanted
        total -= 1


def weighted(desirable: int, undesirable: int, *, size: int, share: float) -> tuple[int, int]:
    """All of both sides, or `size` of them as near to the share as can be."""
    total = min(size, desirable + undesirable)
    wanted = max(total - undesirable, min(desirable, round(total * share)))
    return wanted, total - wanted


def _draw(ids: Sequence[str], count: int, seed: int) -> tuple[str, ...]:
    return tuple(sorted(ids, key=lambda name: drawn(seed, name))[:count])
