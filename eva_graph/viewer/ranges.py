"""Which stretch of the video a call looked at, told from its arguments or its frames."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from eva_graph.trajectory.schema import CallRecord
from eva_graph_tools.timecode import parse_time

Stretch = tuple[float, float]
"""Start and end in seconds, in order."""


def looked_at(call: CallRecord) -> Stretch | None:
    """The stretch that a call looked at, or None where nothing says so (a search in subtitles).

    What was applied counts before what was requested, and the frames' true times widen it: a
    frame may have been taken a little outside the range that was asked for.
    """
    if call.error is not None:
        return stretch_of(call.requested)
    stretch = stretch_of(call.applied or {}) or stretch_of(call.requested)
    times = [seconds_of(frame.ref.get("pts_seconds")) for frame in call.frames]
    ends = [*(stretch or ()), *(time for time in times if time is not None)]
    return (min(ends), max(ends)) if ends else None


def seconds_of(value: object) -> float | None:
    """Seconds of an argument; None for what is no time, since a policy may write anything."""
    if not isinstance(value, int | float | str):
        return None
    try:
        return parse_time(value)
    except ValueError:
        return None


def stretch_of(arguments: Mapping[str, Any]) -> Stretch | None:
    """The stretch that a call's arguments name, as a policy wrote them; None where they do not."""
    start, end = seconds_of(arguments.get("start_time")), seconds_of(arguments.get("end_time"))
    if start is None or end is None:
        time = seconds_of(arguments.get("time"))
        return None if time is None else (time, time)
    return (start, end) if start <= end else (end, start)
