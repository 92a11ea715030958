"""Time references as annotation files write them: the stretches that show the answer, in seconds.

`00:15-00:19` (LVBench; minutes may exceed 59), a mapping with `start` and `end` (LSDBench), pairs
of numbers or clock times, or a list of any of these.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

from eva_graph_tools.timecode import parse_time

Stretches: TypeAlias = tuple[tuple[float, float], ...]


def read_stretches(value: Any) -> tuple[Stretches, bool]:
    """Stretches in the order given, and whether some could not be used.

    One without an end (`08:17-None`) or that ends before it starts says nothing reliable: it is
    left out. Nothing given is no fault.
    """
    if value is None or value == "" or value == []:
        return (), False
    read = [_stretch(part) for part in _parts(value)]
    return tuple(part for part in read if part is not None), None in read


def _parts(value: Any) -> list[Any]:
    if isinstance(value, str):
        return [part for part in value.replace(";", ",").split(",") if part.strip()]
    if _is_list(value) and not (len(value) == 2 and not any(map(_is_stretch, value))):
        return list(value)
    return [value]


def _stretch(value: Any) -> tuple[float, float] | None:
    if isinstance(value, str):
        ends: Sequence[Any] = value.split("-")
    elif isinstance(value, Mapping):
        ends = [value.get("start"), value.get("end")]
    else:
        ends = value if _is_list(value) else []
    if len(ends) != 2:
        return None
    try:
        start, end = (parse_time(end) for end in ends)
    except ValueError:
        return None
    return (start, end) if start <= end else None


def _is_list(value: Any) -> bool:
    return isinstance(value, Sequence) and not isinstance(value, str | bytes)


def _is_stretch(value: Any) -> bool:
    return (
        _is_list(value) or isinstance(value, Mapping) or (isinstance(value, str) and "-" in value)
    )
