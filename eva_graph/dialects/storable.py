"""JSON that a policy wrote and that a checkpoint, a journal and a record can all hold."""

from __future__ import annotations

import math
import re

_MAX_DEPTH = 20
MAX_WHOLE_NUMBER = 2**53 - 1
"""The largest that every JSON reader keeps exactly."""
_NOT_TEXT = re.compile("[\0\ud800-\udfff]")


def check_storable(value: object, depth: int = 0) -> None:
    """Raise ValueError for JSON that a checkpoint or a record could not hold."""
    if depth > _MAX_DEPTH:
        raise ValueError("nested too deeply")
    if isinstance(value, dict):
        for key, item in value.items():
            check_storable(key, depth + 1)
            check_storable(item, depth + 1)
    elif isinstance(value, list):
        for item in value:
            check_storable(item, depth + 1)
    elif isinstance(value, str):
        if _NOT_TEXT.search(value):
            raise ValueError("not valid Unicode text")
    elif isinstance(value, float) and not math.isfinite(value):
        raise ValueError(f"{value} is not a usable number")
    elif isinstance(value, int) and abs(value) > MAX_WHOLE_NUMBER:
        raise ValueError("a number is too large")
