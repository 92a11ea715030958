"""How well the stretches that an answer rests on meet those that show it, as the set says.

Annotations name whole seconds and evidence may be a single frame, so a stretch shorter than
`SHORTEST_SECONDS` is widened around its middle, on both sides of the comparison.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final, TypeAlias

SHORTEST_SECONDS: Final = 1.0

Stretch: TypeAlias = tuple[float, float]
"""(start, end) in seconds."""


def time_iou(found: Iterable[Stretch], reference: Iterable[Stretch]) -> float:
    """Seconds in both over seconds in either; 0 where one of them is empty."""
    mine, theirs = _united(found), _united(reference)
    shared = sum(
        max(0.0, min(end, other_end) - max(start, other_start))
        for start, end in mine
        for other_start, other_end in theirs
    )
    either = _seconds(mine) + _seconds(theirs) - shared
    return shared / either if mine and theirs else 0.0


def saw_one(times_seconds: Iterable[float], reference: Iterable[Stretch]) -> bool:
    """Whether one of the times lies in a stretch."""
    stretches = _united(reference)
    return any(start <= time <= end for time in times_seconds for start, end in stretches)


def _united(stretches: Iterable[Stretch]) -> list[Stretch]:
    """Widened, in order, overlapping ones as one."""
    united: list[Stretch] = []
    for start, end in sorted(map(_widened, stretches)):
        if united and start <= united[-1][1]:
            united[-1] = (united[-1][0], max(end, united[-1][1]))
        else:
            united.append((start, end))
    return united


def _widened(stretch: Stretch) -> Stretch:
    start, end = stretch
    reach = max(0.0, SHORTEST_SECONDS - (end - start)) / 2
    return start - reach, end + reach


def _seconds(stretches: Sequence[Stretch]) -> float:
    return sum(end - start for start, end in stretches)
