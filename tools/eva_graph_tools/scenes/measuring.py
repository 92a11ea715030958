"""What changes from picture to picture, measured once and independent of any threshold.

PySceneDetect's `ContentDetector` scores each picture against the one before it. Around that stand
measures of what the picture looks like before and after, which tell a cut from a flash and find
dissolves and fades; they look up to `REACH_SECONDS` to either side.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
import numpy.typing as npt

from eva_graph_tools.reader import Array
from eva_graph_tools.scenes.content_score import Floats, content_scores
from eva_graph_tools.scenes.pictures import HEIGHT, WIDTH, Pictures

Positions = npt.NDArray[np.int64]
Seconds = npt.NDArray[np.float64]
Arrays = dict[str, Array]

REACH_SECONDS = 0.8
SHORT_SECONDS = 0.4
_RETURN_FROM_SECONDS, _RETURN_TO_SECONDS = 0.12, 0.7
_RETURN_STEPS = 5
_LEAST_DIFFERENCE = 1.0
_COARSENED = 3
_COARSE_SHAPE = (HEIGHT // _COARSENED, WIDTH // _COARSENED, 3)


@dataclass(frozen=True, slots=True, kw_only=True)
class Around:
    """The pictures a time before and after each picture, compared. Arrays of one value each.

    Attributes:
        change: mean absolute difference between the two, 0 to 255.
        unmixed: how far the picture is from being their equal mixture, as a part of `change`.
        contrast: the picture's standard deviation as a part of theirs.
        likeness: their correlation, -1 to 1, which brightness does not change.
        restructured: median absolute difference between the two once their brightness is taken
            off: near 0 where only a part of the picture changes, or the light.
    """

    change: Floats
    unmixed: Floats
    contrast: Floats
    likeness: Floats
    restructured: Floats


@dataclass(frozen=True, slots=True, kw_only=True)
class Measures:
    """What was measured on the sampled pictures of a range. Arrays of one value per picture.

    Attributes:
        indices: display indices, ascending.
        seconds: presentation times.
        content: PySceneDetect's content score against the picture before, 0 to 255.
        step: mean absolute difference to the picture before, 0 to 255.
        back: how little the picture before differs from the most similar one soon after, as a
            part of `step`: near 0 where a flash has passed, about 1 or more at a cut.
        back_after_seconds: when that one is shown, from this picture on.
        deviation: standard deviation of the values of the picture.
        short, long: the pictures 0.4 s and 0.8 s away to either side.
    """

    indices: Positions
    seconds: Seconds
    content: Floats
    step: Floats
    back: Floats
    back_after_seconds: Floats
    deviation: Floats
    short: Around
    long: Around

    def between(self, start_index: int, end_index: int) -> "Measures":
        """What was measured on the pictures from one display index up to another (excluded)."""
        part = slice(*np.searchsorted(self.indices, (start_index, end_index)))
        return self.from_arrays({name: array[part] for name, array in self.to_arrays().items()})

    def to_arrays(self) -> Arrays:
        """By name; `from_arrays` reads it."""
        own: Arrays = {name: getattr(self, name) for name in _OWN}
        for side in _SIDES:
            own |= {f"{side}.{name}": getattr(getattr(self, side), name) for name in _AROUND}
        return own

    @classmethod
    def from_arrays(cls, arrays: Arrays) -> "Measures":
        """Read what `to_arrays` wrote."""
        values: dict[str, Any] = {name: arrays[name] for name in _OWN}
        for side in _SIDES:
            values[side] = Around(**{name: arrays[f"{side}.{name}"] for name in _AROUND})
        return cls(**values)


_AROUND = tuple(field.name for field in fields(Around))
_SIDES = ("short", "long")
_OWN = tuple(field.name for field in fields(Measures) if field.name not in _SIDES)


def joined(parts: Sequence[Measures]) -> Measures:
    """Measures of consecutive ranges as one; at least one range."""
    arrays = [part.to_arrays() for part in parts]
    names = arrays[0].keys()
    return Measures.from_arrays({name: np.concatenate([a[name] for a in arrays]) for name in names})


def measure(pictures: Pictures) -> Measures:
    """Measure the pictures of a range.

    Raises:
        EvaGraphError: PySceneDetect is not installed.
    """
    seconds = pictures.seconds
    flat = _coarse(pictures.values)
    deviation = flat.std(axis=1)
    step = np.zeros(len(seconds), np.float32)
    step[1:] = _difference(flat[1:], flat[:-1])
    back, after = _returning(flat, seconds, step)
    return Measures(
        indices=pictures.indices,
        seconds=seconds,
        content=content_scores(pictures),
        step=step,
        back=back,
        back_after_seconds=after,
        deviation=deviation,
        short=_around(flat, seconds, deviation, SHORT_SECONDS),
        long=_around(flat, seconds, deviation, REACH_SECONDS),
    )


def neighbours(seconds: Seconds, reach_seconds: float) -> tuple[Positions, Positions]:
    """For each picture the positions of those at least that time before and after it."""
    last = len(seconds) - 1
    before = np.searchsorted(seconds, seconds - reach_seconds, "right") - 1
    after = np.searchsorted(seconds, seconds + reach_seconds, "left")
    return np.clip(before, 0, last), np.clip(after, 0, last)


def _coarse(values: npt.NDArray[np.uint8]) -> Floats:
    """The pictures at a third of their size as rows of numbers, which forgives small motion."""
    total = np.zeros((len(values), *_COARSE_SHAPE), np.uint16)
    for row, column in np.ndindex(_COARSENED, _COARSENED):
        total += values[:, row::_COARSENED, column::_COARSENED]
    flat = total.reshape(len(values), math.prod(_COARSE_SHAPE)).astype(np.float32)
    flat /= _COARSENED**2
    return flat


def _difference(one: Floats, other: Floats) -> Floats:
    return np.asarray(np.abs(one - other).mean(axis=1), np.float32)


def _returning(flat: Floats, seconds: Seconds, step: Floats) -> tuple[Floats, Floats]:
    before = np.maximum(np.arange(len(seconds)) - 1, 0)
    least = np.full(len(seconds), np.inf, np.float32)
    after = np.zeros(len(seconds), np.float32)
    for delay in np.linspace(_RETURN_FROM_SECONDS, _RETURN_TO_SECONDS, _RETURN_STEPS):
        later = neighbours(seconds, float(delay))[1]
        away = _difference(flat[before], flat[later])
        nearer = away < least
        least[nearer] = away[nearer]
        after[nearer] = (seconds[later] - seconds)[nearer]
    return np.asarray(least / np.maximum(step, _LEAST_DIFFERENCE), np.float32), after


def _around(flat: Floats, seconds: Seconds, deviation: Floats, reach_seconds: float) -> Around:
    before, after = neighbours(seconds, reach_seconds)
    centred = flat - flat.mean(axis=1, keepdims=True)
    old, new = flat[before], flat[after]
    change = _difference(old, new)
    mixture = _difference(flat, (old + new) * np.float32(0.5))
    product = (centred[before] * centred[after]).mean(axis=1)
    spread = np.maximum(deviation[before] * deviation[after], _LEAST_DIFFERENCE)
    typical = np.maximum((deviation[before] + deviation[after]) / 2, _LEAST_DIFFERENCE)
    return Around(
        change=change,
        unmixed=np.asarray(mixture / np.maximum(change, _LEAST_DIFFERENCE), np.float32),
        contrast=np.asarray(deviation / typical, np.float32),
        likeness=np.asarray(product / spread, np.float32),
        restructured=np.median(np.abs(centred[before] - centred[after]), axis=1),
    )
