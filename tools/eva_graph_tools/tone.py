"""High dynamic range to standard: what a screen of 203 cd/m² shows of a PQ or HLG picture.

The light that the picture's values stand for (SMPTE ST 2084; ARIB STD-B67 with the system gamma of
a display of 1,000 cd/m², ITU-R BT.2100) is compressed by the curve of ITU-R BT.2390 §5.4 from a
peak of 1,000 to one of 203 cd/m², the reference white of ITU-R BT.2408: it is applied to the
largest of red, green and blue, and the other two keep their ratio to it. Primaries are then those
of BT.709, clipped, and values are those of a BT.1886 display. Metadata on mastering is not used,
so that brightness does not depend on where one looks.

Integers throughout, after tables: the same picture gives the same bytes on every machine.
"""

from functools import cache

import numpy as np
import numpy.typing as npt

Codes = npt.NDArray[np.uint16]
Pixels = npt.NDArray[np.uint8]
Light = npt.NDArray[np.int64]

PQ, HLG = 16, 18
"""Transfer characteristics as ITU-T H.273 numbers them."""

_PEAK_NITS, _WHITE_NITS, _PQ_NITS = 1000.0, 203.0, 10_000.0
_UNIT = 1 << 30  # light of 10,000 cd/m²
_GAIN_SHIFT, _GAIN_ONE = 10, 1 << 16
_SHADES = 1 << 20  # of what a screen shows; its darkest value is 1.6 of them
_ROWS = 64
# ITU-R BT.2087: linear BT.2020 to linear BT.709, in units of 2^-14.
_TO_BT709 = np.array([[27205, -9629, -1192], [-2041, 18563, -138], [-298, -1648, 18330]], np.int64)
_LUMINANCE = np.array([4304, 11108, 972], np.int64)  # of BT.2020, likewise
_MATRIX_SHIFT = 14


def to_sdr(codes: Codes, transfer: int) -> Pixels:
    """Height x width x 3 uint16 R'G'B' of BT.2020, full range, to uint8 R'G'B' of BT.709.

    Args:
        codes: the picture.
        transfer: `PQ` or `HLG`.
    """
    light = _light(transfer)
    pixels = np.empty(codes.shape, np.uint8)
    for row in range(0, len(codes), _ROWS):  # in slices: 64-bit numbers of a whole picture are big
        part = light[codes[row : row + _ROWS]]
        if transfer == HLG:
            part = part * _system_gamma()[_dot(part, _LUMINANCE) >> _GAIN_SHIFT] // _GAIN_ONE
        gain = _gain()[np.minimum(part.max(axis=-1), _UNIT - 1) >> _GAIN_SHIFT]
        part = part * gain[..., np.newaxis] // _GAIN_ONE
        shades = np.stack([_dot(part, weights) for weights in _TO_BT709], axis=-1)
        shades = shades * (_SHADES - 1) // round(_UNIT * _WHITE_NITS / _PQ_NITS)
        pixels[row : row + _ROWS] = _shown()[np.clip(shades, 0, _SHADES - 1)]
    return pixels


def _dot(light: Light, weights: npt.NDArray[np.int64]) -> Light:
    return (light @ weights) >> _MATRIX_SHIFT


@cache
def _light(transfer: int) -> Light:
    """Light per code; for HLG that of the scene, whose peak is that of the display."""
    codes = np.linspace(0.0, 1.0, 1 << 16)
    if transfer == PQ:
        return _rounded(_from_pq(codes) * _UNIT)
    a, b, c = 0.17883277, 0.28466892, 0.55991073
    scene = np.where(codes <= 0.5, codes**2 / 3, (np.exp((codes - c) / a) + b) / 12)
    return _rounded(scene * _UNIT * _PEAK_NITS / _PQ_NITS)


@cache
def _system_gamma() -> Light:
    """Factor of the light by its luminance: a display of 1,000 cd/m² has a gamma of 1.2."""
    luminance = _steps() * _PQ_NITS / _PEAK_NITS
    return _rounded(np.maximum(luminance, 1e-9) ** 0.2 * _GAIN_ONE)[:, np.newaxis]


@cache
def _gain() -> Light:
    """Factor of the light by its largest component."""
    light = _steps()
    peak = float(_to_pq(np.array(_PEAK_NITS / _PQ_NITS)))
    most = float(_to_pq(np.array(_WHITE_NITS / _PQ_NITS))) / peak
    knee = 1.5 * most - 0.5
    value = np.minimum(_to_pq(light) / peak, 1.0)
    t = np.clip((value - knee) / (1 - knee), 0.0, 1.0)
    curve = (
        (2 * t**3 - 3 * t**2 + 1) * knee
        + (t**3 - 2 * t**2 + t) * (1 - knee)
        + (3 * t**2 - 2 * t**3) * most
    )
    target = _from_pq(np.where(value < knee, value, curve) * peak)
    return _rounded(np.divide(target, light, out=np.ones_like(light), where=light > 0) * _GAIN_ONE)


@cache
def _shown() -> Pixels:
    """Value of a BT.1886 display per shade."""
    return np.round(255 * np.linspace(0.0, 1.0, _SHADES) ** (1 / 2.4)).astype(np.uint8)


def _steps() -> npt.NDArray[np.float64]:
    return np.arange(_UNIT >> _GAIN_SHIFT) / (_UNIT >> _GAIN_SHIFT)


def _from_pq(codes: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    power = codes ** (32 / 2523)
    ratio = np.maximum(power - 3424 / 4096, 0) / (2413 / 128 - 2392 / 128 * power)
    light: npt.NDArray[np.float64] = ratio ** (8192 / 1305)
    return light


def _to_pq(light: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    power = light ** (1305 / 8192)
    ratio = (3424 / 4096 + 2413 / 128 * power) / (1 + 2392 / 128 * power)
    codes: npt.NDArray[np.float64] = ratio ** (2523 / 32)
    return codes


def _rounded(values: npt.NDArray[np.float64]) -> Light:
    return np.round(values).astype(np.int64)
