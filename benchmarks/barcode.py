"""The number of a frame, drawn into it as a strip of bars that survives scaling and lossy coding.

The strip spans the full width at the top of the picture: 16 bits of number, then 8 bits of check
sum, most significant first, white is 1. A strip that does not check reads as None, never as a wrong
number.
"""

import numpy as np
import numpy.typing as npt

Pixels = npt.NDArray[np.uint8]
BARS = 24
MAX_NUMBER = 2**16 - 1
_WHITE, _BLACK = 235, 16
_HEIGHT_FRACTION = 1 / 12
_POLYNOMIAL = 0x07


def strip_height(height: int) -> int:
    """Rows that the strip takes in a picture of that height."""
    return max(2, round(height * _HEIGHT_FRACTION))


def strip(number: int, width: int) -> Pixels:
    """One row of the strip as luma values."""
    if not 0 <= number <= MAX_NUMBER:
        raise ValueError(f"frame numbers are 0 to {MAX_NUMBER}, not {number}")
    word = number << 8 | _check_sum(number)
    bars = [_WHITE if word >> (BARS - 1 - bar) & 1 else _BLACK for bar in range(BARS)]
    return np.array(bars, np.uint8)[np.arange(width) * BARS // width]


def read(pixels: Pixels) -> int | None:
    """The number in an upright picture, grey or RGB, of any size; None if none can be read."""
    height, width = pixels.shape[:2]
    row = pixels[int(height * _HEIGHT_FRACTION / 2)].astype(np.int32)
    if row.ndim == 2:
        row = row.sum(axis=1) // row.shape[1]
    centres = ((np.arange(BARS) + 0.5) * width / BARS).astype(np.int64)
    word = 0
    for bright in row[centres] > (_WHITE + _BLACK) // 2:
        word = word << 1 | int(bright)
    number = word >> 8
    return number if _check_sum(number) == word & 0xFF else None


def readings(pixels: Pixels) -> set[int]:
    """What can be read in a picture that may be turned by 90 degrees or mirrored."""
    found = set()
    for turns in range(4):
        turned = np.rot90(pixels, turns)
        found |= {read(turned), read(turned[:, ::-1])}
    return {number for number in found if number is not None}


def _check_sum(number: int) -> int:
    """CRC-8 of the two bytes, inverted so that a black strip is not the number 0."""
    crc = 0
    for byte in (number >> 8, number & 0xFF):
        crc ^= byte
        for _ in range(8):
            crc = (crc << 1 ^ _POLYNOMIAL) & 0xFF if crc & 0x80 else crc << 1
    return crc ^ 0xFF
