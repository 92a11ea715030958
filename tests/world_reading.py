"""Reads a decoded picture of the grown-up world, knowing how signs are drawn but no plot."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from eva_graph_training.world.drawing import (
    BORDER_PIXELS,
    BORDER_RGB,
    DIGIT_PITCH_PIXELS,
    PRINT_CENTRE,
    SIDE_PIXELS,
    SIGN_CENTRE,
    glyph,
)
from eva_graph_training.world.plot import CODE_DIGITS, LETTERS

_SIGN_REACH = 36
_DIGIT_REACH = (9, 8)
_RIM_TOLERANCE = 25
_DARK = 0.5

Picture = NDArray[np.uint8]
Darkness = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """What a picture shows; `backdrop` is the middling colour of the ground below the sign."""

    letter: str
    code: str
    border: str | None
    backdrop: tuple[float, float, float]


def read(picture: Picture) -> Reading:
    """What a full-size picture shows."""
    sign = _darkness(picture, SIGN_CENTRE, (_SIGN_REACH, _SIGN_REACH))
    top, bottom, left, right = _bounds(sign)
    across = SIGN_CENTRE[0] - _SIGN_REACH + (left + right) / 2
    down = SIGN_CENTRE[1] - _SIGN_REACH + (top + bottom) / 2
    shift = (round(across) - SIGN_CENTRE[0], round(down) - SIGN_CENTRE[1])
    ground = picture[150:200, 24:200].reshape(-1, 3)
    red, green, blue = (float(level) for level in np.median(ground, axis=0))
    return Reading(
        letter=_likest(sign, LETTERS),
        code="".join(_digit(picture, place, shift) for place in range(CODE_DIGITS)),
        border=_border(picture),
        backdrop=(red, green, blue),
    )


def _digit(picture: Picture, place: int, shift: tuple[int, int]) -> str:
    step = (place - CODE_DIGITS // 2) * DIGIT_PITCH_PIXELS
    centre = (PRINT_CENTRE[0] + shift[0] + step, PRINT_CENTRE[1] + shift[1])
    return _likest(_darkness(picture, centre, _DIGIT_REACH), "0123456789")


def _border(picture: Picture) -> str | None:
    edge = BORDER_PIXELS - 4
    rim = np.ones((SIDE_PIXELS, SIDE_PIXELS), dtype=bool)
    rim[edge:-edge, edge:-edge] = False
    for colour, rgb in BORDER_RGB.items():
        if np.abs(picture[rim].astype(float) - rgb).mean() < _RIM_TOLERANCE:
            return colour
    return None


def _darkness(picture: Picture, centre: tuple[int, int], reach: tuple[int, int]) -> Darkness:
    """From 0, the lightest part of the cut-out, to 1, its darkest."""
    (x, y), (across, down) = centre, reach
    grey = picture[y - down : y + down + 1, x - across : x + across + 1].mean(axis=2)
    darkness: Darkness = (grey.max() - grey) / max(grey.max() - grey.min(), 1.0)
    return darkness


def _bounds(darkness: Darkness) -> tuple[int, int, int, int]:
    rows, columns = np.nonzero(darkness > _DARK)
    return int(rows.min()), int(rows.max()) + 1, int(columns.min()), int(columns.max()) + 1


def _likest(darkness: Darkness, signs: str) -> str:
    """The sign that the cut-out is most like, drawn as high as what is seen there."""
    top, bottom, left, right = _bounds(darkness)
    return min(signs, key=lambda sign: _unlikeness(darkness, sign, (top, bottom, left, right)))


def _unlikeness(darkness: Darkness, sign: str, bounds: tuple[int, int, int, int]) -> float:
    top, bottom, left, right = bounds
    mask = np.asarray(glyph(sign, bottom - top), dtype=float) / 255
    first = round((left + right - mask.shape[1]) / 2)
    drawn = np.zeros_like(darkness)
    low, high = max(first, 0), min(first + mask.shape[1], darkness.shape[1])
    drawn[top:bottom, low:high] = mask[:, low - first : high - first]
    return float(np.abs(drawn - darkness).mean())
