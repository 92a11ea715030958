"""When each frame of a video is on screen, and from which key frame it can be decoded.

It is built once per file without decoding anything (`eva_graph_tools.indexing`). It knows every
frame's presentation time (average frame rates and header durations are never used) and counts only
frames that are shown: packets hidden by an edit list or a discard flag stay decodable but have no
place in the display order. Time zero is the first frame shown.

Numbers: a *packet number* counts packets in decode order, a *display index* counts frames shown in
display order.
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import cached_property
from typing import Self

import numpy as np
import numpy.typing as npt

Ticks = npt.NDArray[np.int64]

# Absorbs the float error of a time that names a frame's own presentation time.
_SLACK_SECONDS = 1e-9


@dataclass(frozen=True, kw_only=True)  # no slots: what is looked up often is computed once
class FrameIndex:
    """Presentation times of one video stream.

    Attributes:
        time_base: seconds per tick.
        pts: ticks per packet, in decode order.
        dts: ticks per packet, in decode order; equal to `pts` where the file has none.
        key: which packets start decoding.
        order: packet numbers of the shown frames, in display order.
        shown_pts: ticks of the shown frames, ascending.
        last_duration: ticks that the last frame stays on screen.
        counted: the file's timestamps follow the decode order although the codec reorders, so a
            decoded frame is known by its position after a key frame and not by its timestamp.
        stamped: packets carry timestamps; without them nothing can be sought.
        broken: the file breaks off after the last frame, or says that it held more.
    """

    time_base: Fraction
    pts: Ticks
    dts: Ticks
    key: npt.NDArray[np.bool_]
    order: Ticks
    shown_pts: Ticks
    last_duration: int
    counted: bool
    stamped: bool
    broken: bool = False

    @property
    def frame_count(self) -> int:
        """Frames shown."""
        return len(self.shown_pts)

    @property
    def duration_seconds(self) -> float:
        """From the first frame's appearance to the last frame's end."""
        ticks = int(self.shown_pts[-1]) - int(self.shown_pts[0]) + self.last_duration
        return float(ticks * self.time_base)

    @property
    def start_seconds(self) -> float:
        """The first shown frame's time on the container's own clock."""
        return float(int(self.shown_pts[0]) * self.time_base)

    def seconds(self, display_index: int) -> float:
        """Presentation time of a shown frame, from the first one."""
        return float(int(self.shown_pts[display_index] - self.shown_pts[0]) * self.time_base)

    def all_seconds(self) -> npt.NDArray[np.float64]:
        """Presentation times of all shown frames; read only."""
        ticks = (self.shown_pts - self.shown_pts[0]) * self.time_base.numerator
        seconds: npt.NDArray[np.float64] = ticks / self.time_base.denominator
        seconds.flags.writeable = False
        return seconds

    def at(self, time_seconds: float) -> int:
        """Display index of the frame on screen: the last with a time <= `time_seconds`."""
        offset = math.floor((time_seconds + _SLACK_SECONDS) / float(self.time_base))
        position = np.searchsorted(self.shown_pts, int(self.shown_pts[0]) + offset, "right")
        return min(max(int(position) - 1, 0), self.frame_count - 1)

    @cached_property
    def keys(self) -> Ticks:
        """Packet numbers of the key frames, ascending."""
        return np.flatnonzero(self.key)

    @cached_property
    def shown_keys(self) -> Ticks:
        """Display indices of the key frames that are shown, ascending."""
        return np.flatnonzero(self.key[self.order])

    @cached_property
    def display_indices(self) -> Ticks:
        """Display index per packet, in decode order; -1 for packets that are not shown."""
        indices = np.full(len(self.pts), -1, np.int64)
        indices[self.order] = np.arange(self.frame_count)
        return indices

    @cached_property
    def _by_pts(self) -> tuple[Ticks, Ticks]:
        return _sorted_once(self.pts)

    @cached_property
    def _by_dts(self) -> tuple[Ticks, Ticks]:
        return _sorted_once(self.dts)

    def packet_number(self, pts: int | None, dts: int | None) -> int | None:
        """Number of the first packet that has these timestamps; None if no packet does."""
        for ticks, (ordered, numbers) in ((pts, self._by_pts), (dts, self._by_dts)):
            if ticks is not None:
                position = int(np.searchsorted(ordered, ticks))
                if position < len(ordered) and ordered[position] == ticks:
                    return int(numbers[position])
        return None

    def key_between(
        self, start_seconds: float, end_seconds: float, near_seconds: float
    ) -> int | None:
        """Display index of the shown key frame in [start, end) that is nearest to a time."""
        keys = self.shown_keys
        wanted = near_seconds / float(self.time_base) + int(self.shown_pts[0])
        position = int(np.searchsorted(self.shown_pts[keys], wanted))
        inside = [
            int(key)
            for key in keys[max(0, position - 1) : position + 1]
            if start_seconds <= self.seconds(int(key)) < end_seconds
        ]
        return min(inside, key=lambda k: abs(self.seconds(k) - near_seconds), default=None)

    def key_before(self, packet: int) -> int:
        """Packet number of the key frame that `packet` can be decoded from.

        A leading picture of an open GOP is displayed before its own key frame and refers to the
        previous one, so decoding starts there.
        """
        last = int(np.searchsorted(self.keys, packet, "right"))
        nearest = int(self.keys[last - 1])
        if self.counted or self.pts[nearest] <= self.pts[packet]:
            return nearest
        earlier = np.flatnonzero(self.pts[self.keys[:last]] <= self.pts[packet])
        return int(self.keys[earlier[-1]]) if len(earlier) else 0

    def groups(self, display_indices: Iterable[int]) -> dict[int, set[int]]:
        """Frames by the packet number of the key frame that they are decoded from."""
        groups: dict[int, set[int]] = {}
        for index in display_indices:
            groups.setdefault(self.key_before(int(self.order[index])), set()).add(index)
        return groups

    def keys_back(self, key: int, steps: int) -> int:
        """Packet number of the key frame that many key frames before one; the first at most."""
        return int(self.keys[max(0, int(np.searchsorted(self.keys, key)) - steps)])

    def starting_at(self, display_index: int) -> Self:
        """The same index with an earlier first frame left out: time zero moves to this one."""
        return replace(
            self, order=self.order[display_index:], shown_pts=self.shown_pts[display_index:]
        )


def _sorted_once(ticks: Ticks) -> tuple[Ticks, Ticks]:
    """The ticks in ascending order, and the packet numbers in that order."""
    numbers = np.argsort(ticks, kind="stable")
    return ticks[numbers], numbers
