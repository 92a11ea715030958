"""Whether labels are true: the text before each frame against the frame's own time.

The label of a frame is `Frame 3 at [12:30]: `. In the reference profile it must be what the
released harness writes for the call's range, which is not the frame's time; that profile keeps the
harness's clock on purpose (`eva_graph.dialects.reference`).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import groupby

from eva_graph.dialects.harness import harness_clock
from eva_graph.dialects.reference import ReferenceDialect
from eva_graph.trajectory.image_places import TurnPlaces
from eva_graph.trajectory.schema import CallRecord, Trajectory
from eva_graph_tools import labels

_LABEL = re.compile(r"(?:^|\n)Frame (\d+) at \[([^\]]*)\]: \Z")


def label_faults(record: Trajectory, each: TurnPlaces) -> Iterator[tuple[int, str]]:
    """Images of a turn whose label is absent or wrong: which one, and what is wrong with it."""
    last = -1
    for number, (place, name) in enumerate(zip(each.places, _names(record, each), strict=True)):
        match = _LABEL.search(place.text_before)
        if match is None:
            last += 1
            yield number, f"the text before it is {place.text_before[-40:]!r}, no label"
            continue
        if match[2] != name:
            at = f"{place.ref.pts_seconds:.3f} s"
            yield number, f"it is labelled [{match[2]}] and stands for [{name}] (shown at {at})"
        if int(match[1]) != last + 1 and number > 0:
            yield number, f"it is numbered {match[1]} after {last}"
        last = int(match[1])


def _names(record: Trajectory, each: TurnPlaces) -> list[str]:
    """What the labels have to say, one for each image place."""
    if record.dialect == ReferenceDialect.name:
        calls = [call for turn in record.turns if turn.turn == each.turn for call in turn.calls]
        names = [name for call in calls for name in _harness_names(call)]
        return (names + ["?"] * len(each.places))[: len(each.places)]
    return [
        name
        for _, places in groupby(each.places, lambda place: place.message)
        for name in labels([place.ref.pts_seconds for place in places])
    ]


def _harness_names(call: CallRecord) -> list[str]:
    applied = call.applied or {}
    try:
        clock = harness_clock(applied["start_time"], applied["end_time"], len(call.frames))
    except (KeyError, TypeError, ValueError, OverflowError):
        return []
    return [f"{second // 60:02d}:{second % 60:02d}" for second in clock]
