"""What a peak in a series stands out from."""

from typing import Any

import numpy as np
import numpy.typing as npt

_REACH = 3

Series = npt.NDArray[np.floating[Any]]


def level_beside(values: Series) -> Series:
    """For each value the mean of the three before it or after it, whichever is greater.

    Where motion begins or ends one side alone is high: its edge is no peak.
    """
    count = len(values)
    padded = np.pad(values, _REACH, mode="edge")
    before = sum(padded[_REACH - j : _REACH - j + count] for j in range(1, _REACH + 1))
    after = sum(padded[_REACH + j : _REACH + j + count] for j in range(1, _REACH + 1))
    return np.asarray(np.maximum(before, after) / _REACH)
