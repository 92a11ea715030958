"""Which frames a request means: pure rules from times to display indices, before any decoding."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from eva_graph_tools.index import FrameIndex

_OVERVIEW_SPACING_SECONDS = 1.0
_END_MARGIN_SECONDS = 1e-3


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """A frame to decode: its display index, the time it stands for, whether it was snapped."""

    index: int
    requested_seconds: float
    snapped: bool = False


def exact_targets(index: FrameIndex, times_seconds: Sequence[float]) -> list[Target]:
    """The frames on screen at the times."""
    return [Target(index=index.at(t), requested_seconds=t) for t in times_seconds]


def key_targets(index: FrameIndex, times_seconds: Sequence[float]) -> list[Target]:
    """The key frames nearest to the times."""
    return [_key_or_exact(index, t, -math.inf, math.inf) for t in times_seconds]


def range_targets(
    index: FrameIndex, start_seconds: float, end_seconds: float, nframes: int, *, auto: bool
) -> list[Target]:
    """Frames spread over a range; distinct targets only, in order of time.

    With `auto`, intervals of a second or more are represented by a key frame where one lies
    within half an interval of the centre; otherwise the points are even, both ends included.
    """
    spacing = (end_seconds - start_seconds) / nframes
    if auto and spacing >= _OVERVIEW_SPACING_SECONDS:
        edges = [start_seconds + i * spacing for i in range(nframes + 1)]
        return _distinct([_key_or_exact(index, (a + b) / 2, a, b) for a, b in pairwise(edges)])
    nframes = min(nframes, 2 * index.frame_count)
    return _distinct(exact_targets(index, even_points(start_seconds, end_seconds, nframes)))


def even_points(start_seconds: float, end_seconds: float, nframes: int) -> list[float]:
    """EVA's time points: even from start to just before the end; a single one in the middle."""
    span = end_seconds - start_seconds
    if nframes == 1:
        return [start_seconds + span / 2]
    last = span - min(_END_MARGIN_SECONDS, span / (4 * nframes))
    return [start_seconds + last * i / (nframes - 1) for i in range(nframes)]


def _key_or_exact(index: FrameIndex, seconds: float, start: float, end: float) -> Target:
    key = index.key_between(start, end, seconds)
    exact = index.at(seconds)
    chosen = exact if key is None else key
    return Target(index=chosen, requested_seconds=seconds, snapped=chosen != exact)


def _distinct(targets: Sequence[Target]) -> list[Target]:
    first: dict[int, Target] = {}
    for target in targets:
        first.setdefault(target.index, target)
    return sorted(first.values(), key=lambda target: target.index)
