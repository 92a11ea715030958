"""Times as the policy writes them and as frame labels show them.

`parse_time` reads what `labels` writes. Minutes are never wrapped at 60 on the way out, so a label
of a two hour video reads `110:30`. Labels are floored, never rounded: a label may name an instant
before the frame's own time by less than its unit, never one after it.
"""

import math
import re
from collections.abc import Sequence

_DECIMAL = re.compile(r"\d+(?:\.\d*)?|\.\d+", re.ASCII)
_CLOCK = re.compile(r"(?:(\d+):)?(\d+):(\d{1,2}(?:\.\d+)?)", re.ASCII)
# Float seconds of an exact tick may land a hair below the millisecond that they name.
_TICK_SLACK_SECONDS = 1e-7


def parse_time(value: float | int | str) -> float:
    """Seconds of a tool argument.

    Args:
        value: seconds as a number or as a decimal string ("90", "90.5"), or
            "[HH:]MM:SS[.mmm]". Without hours the minutes may exceed 59 ("110:30").

    Raises:
        ValueError: negative, not finite, or not a time.
    """
    if isinstance(value, bool) or not isinstance(value, (int, float, str)):
        raise ValueError(_complaint(value))
    seconds = _parse_text(value) if isinstance(value, str) else _to_float(value)
    if not math.isfinite(seconds) or seconds < 0:
        raise ValueError(_complaint(value))
    return seconds


def labels(times_seconds: Sequence[float]) -> list[str]:
    """Labels of the frames of one message, in the order given.

    `mm:ss`, floored, when all of them differ in it, else `mm:ss.mmm` for all. Negative times count
    as zero. `parse_time` reads every label.
    """
    milliseconds = [_floor_milliseconds(seconds) for seconds in times_seconds]
    short = [f"{ms // 60_000:02d}:{ms // 1000 % 60:02d}" for ms in milliseconds]
    if len(set(short)) == len(short):
        return short
    return [f"{text}.{ms % 1000:03d}" for text, ms in zip(short, milliseconds, strict=True)]


def format_seconds(seconds: float) -> str:
    """Seconds for a message to read: at most three decimals, no trailing zeros ("143.2")."""
    return f"{seconds:.3f}".rstrip("0").rstrip(".")


def _parse_text(text: str) -> float:
    stripped = text.strip()
    if _DECIMAL.fullmatch(stripped):
        return float(stripped)
    match = _CLOCK.fullmatch(stripped)
    if match is None:
        raise ValueError(_complaint(text))
    hours, minutes, seconds = match.groups()
    if float(seconds) >= 60 or (hours is not None and _to_float(int(minutes)) >= 60):
        raise ValueError(_complaint(text))
    return _to_float(int(hours or 0)) * 3600 + _to_float(int(minutes)) * 60 + float(seconds)


def _to_float(value: float | int) -> float:
    try:
        return float(value)
    except OverflowError:
        return math.inf


def _floor_milliseconds(seconds: float) -> int:
    return max(0, math.floor((seconds + _TICK_SLACK_SECONDS) * 1000))


def _complaint(value: object) -> str:
    return f"{value!r:.80} is not a time: give seconds (90.5) or [HH:]MM:SS[.mmm] (01:30.500)"
