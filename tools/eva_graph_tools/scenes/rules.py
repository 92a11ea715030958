"""Where scenes begin, from what was measured: pure rules.

A *cut* changes the picture far more than its neighbours do, makes most of the change in one step,
and what was there before does not come back within a moment (a flash, a whip-pan and back). In a
*dissolve* the picture is the mixture of what is before and after it, has less contrast than either,
and the two differ all over and not in brightness alone. In a *fade* it goes flat between two
pictures that are not, for however long.
"""

from bisect import bisect

import numpy as np
import numpy.typing as npt

from eva_graph_tools.scenes.measuring import (
    REACH_SECONDS,
    SHORT_SECONDS,
    Around,
    Measures,
    Positions,
    Seconds,
    neighbours,
)
from eva_graph_tools.scenes.peaks import level_beside
from eva_graph_tools.scenes.scene_list import Boundary, Kind

DEFAULT_THRESHOLD = 27.0
LEAST_SCENE_SECONDS = 0.4

Mask = npt.NDArray[np.bool_]

_STRONG_PEAK = 1.7
_WEAK_SHARE, _WEAK_PEAK = 0.6, 3.5
_RETURNED = 0.65
_SLACK_SECONDS = 0.05
_SHARE_OF_CHANGE = 0.4
_LEAST_STEP = 4.0
_FLAT, _BLANK, _LEAST_PICTURED = 0.3, 4.0, 5.0
_LEAST_DEVIATION = 8.0
_LEAST_MIX_CHANGE = 15.0
_MOST_UNMIXED, _MOST_CONTRAST, _MOST_BOTH, _MOST_LIKENESS = 0.45, 0.94, 1.25, 0.9
_LEAST_RESTRUCTURED = 12.0
_RUN_GAP_SECONDS = 0.25
_LEAST_RUN = 3
_APART_SECONDS = 0.4
_CLEARANCE = 1.25  # times its reach that a window keeps from what is already found


def boundaries(measures: Measures, threshold: float = DEFAULT_THRESHOLD) -> list[Boundary]:
    """Cuts, fades and dissolves, in order; `threshold` is PySceneDetect's for content."""
    if len(measures.indices) < 2:
        return []
    cuts = _cuts(measures, threshold)
    times = measures.seconds[[position for position, _ in cuts]]
    fades = [at for at in _fades(measures) if _away(measures.seconds[at], times) >= _APART_SECONDS]
    times = np.sort(np.append(times, measures.seconds[fades]))
    found = [_boundary(measures, position, "cut", sure) for position, sure in cuts]
    found += [_boundary(measures, position, "fade", 1.0) for position in fades]
    found += [_boundary(measures, *dissolve) for dissolve in _dissolves(measures, times)]
    return sorted(found, key=lambda boundary: boundary.index)


def _boundary(measures: Measures, position: int, kind: Kind, sure: float) -> Boundary:
    index = int(measures.indices[position])
    return Boundary(index=index, kind=kind, sure=round(min(1.0, sure), 3))


def _cuts(measures: Measures, threshold: float) -> list[tuple[int, float]]:
    content, step = measures.content, measures.step
    peak = content / np.maximum(level_beside(content), 1.0)
    strong = (content >= threshold) & (peak >= _STRONG_PEAK)
    weak = (content >= _WEAK_SHARE * threshold) & (peak >= _WEAK_PEAK)
    sudden = (step >= _SHARE_OF_CHANGE * measures.short.change) & (step >= _LEAST_STEP)
    returns = measures.back < _RETURNED
    jumps = strong | weak
    stays = jumps & sudden & ~returns & ~_passing(measures, jumps & returns)
    return _spaced(measures, np.flatnonzero(stays), content / (2 * threshold))


def _passing(measures: Measures, begins: Mask) -> Mask:
    """Pictures of something that passes: from its beginning until what was before is back."""
    passing = np.zeros(len(begins), np.bool_)
    for position in np.flatnonzero(begins):
        end = measures.seconds[position] + measures.back_after_seconds[position] + _SLACK_SECONDS
        passing[position : int(np.searchsorted(measures.seconds, end, "right"))] = True
    return passing


def _spaced(
    measures: Measures, positions: Positions, sure: npt.NDArray[np.float32]
) -> list[tuple[int, float]]:
    """The surest ones that leave scenes of the least length between them, in order."""
    kept: list[int] = []
    times: list[float] = []
    for position in sorted(positions.tolist(), key=lambda at: (-sure[at], at)):
        time = float(measures.seconds[position])
        place = bisect(times, time)
        if all(
            abs(time - other) >= LEAST_SCENE_SECONDS for other in times[max(0, place - 1) :][:2]
        ):
            times.insert(place, time)
            kept.append(position)
    return [(position, float(sure[position])) for position in sorted(kept)]


def _away(seconds: Seconds, times: Seconds) -> Seconds:
    """How far each is from the nearest of some times, which ascend."""
    bounded = np.concatenate(([-np.inf], times, [np.inf]))
    place = np.searchsorted(bounded, seconds)
    return np.asarray(np.minimum(bounded[place] - seconds, seconds - bounded[place - 1]))


def _fades(measures: Measures) -> list[int]:
    deviation = measures.deviation
    before, after = neighbours(measures.seconds, REACH_SECONDS)
    beside = np.minimum(deviation[before], deviation[after])
    near = [deviation[side] for side in neighbours(measures.seconds, SHORT_SECONDS)]
    beside = np.maximum(beside, np.minimum(*near))
    jumps = measures.step >= _STRONG_PEAK * level_beside(measures.step)
    found = []
    for run in _runs(measures, (deviation < _BLANK) | (deviation < _FLAT * beside)):
        around = min(deviation[before[run[0]]], deviation[after[run[-1]]])
        flattest = int(run[np.argmin(deviation[run])])
        within = slice(run[0], run[-1] + 2)
        # A flash or a hard cut goes flat in one step, which is larger than a picture's contrast.
        sudden = bool(np.any(jumps[within] & (measures.step[within] >= around)))
        if not sudden and around >= max(_LEAST_PICTURED, deviation[flattest] / _FLAT):
            found.append(int(run[len(run) // 2]))
    return found


def _dissolves(measures: Measures, taken: Seconds) -> list[tuple[int, Kind, float]]:
    away = _away(measures.seconds, taken)
    mixed = np.zeros(len(measures.indices), np.bool_)
    both = np.full(len(measures.indices), np.inf, np.float32)
    for around, reach in ((measures.short, SHORT_SECONDS), (measures.long, REACH_SECONDS)):
        free = (away >= _CLEARANCE * reach) & _between_pictures(measures, reach)
        matches = free & _is_mixture(around)
        mixed |= matches
        both[matches] = np.minimum(both, around.unmixed + around.contrast)[matches]
    runs = [run for run in _runs(measures, mixed) if len(run) >= _LEAST_RUN]
    centres = [int(run[np.argmin(both[run])]) for run in runs]
    return [(at, "dissolve", float(0.5 + _MOST_BOTH - both[at])) for at in centres]


def _between_pictures(measures: Measures, reach: float) -> Mask:
    """Where there are pictures that far to both sides, and neither is flat."""
    before, after = neighbours(measures.seconds, reach)
    pictured = np.minimum(measures.deviation[before], measures.deviation[after])
    inside = (measures.seconds - reach >= measures.seconds[0]) & (
        measures.seconds + reach <= measures.seconds[-1]
    )
    return np.asarray(inside & (pictured >= _LEAST_DEVIATION))


def _is_mixture(around: Around) -> Mask:
    return np.asarray(
        (around.change >= _LEAST_MIX_CHANGE)
        & (around.unmixed <= _MOST_UNMIXED)
        & (around.contrast <= _MOST_CONTRAST)
        & (around.unmixed + around.contrast <= _MOST_BOTH)
        & (around.likeness <= _MOST_LIKENESS)
        & (around.restructured >= _LEAST_RESTRUCTURED)
    )


def _runs(measures: Measures, mask: Mask) -> list[Positions]:
    positions = np.flatnonzero(mask)
    if not len(positions):
        return []
    gaps = np.flatnonzero(np.diff(measures.seconds[positions]) > _RUN_GAP_SECONDS) + 1
    return list(np.split(positions, gaps))
