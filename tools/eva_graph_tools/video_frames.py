"""`VideoFrames`: frames of what a reader has open, at exact times, under their true times.

The frame at time t is the one on screen at t: the last whose presentation time is not after t.
"""

import math
from collections.abc import Iterable, Sequence
from functools import cached_property
from typing import Literal

import numpy as np
import numpy.typing as npt

from eva_graph_tools.errors import DecodeError, InvalidArguments, SeekOutOfRange
from eva_graph_tools.frames import Box, Frame
from eva_graph_tools.reader import Reader
from eva_graph_tools.sampling import Target, exact_targets, key_targets, range_targets
from eva_graph_tools.timecode import format_seconds

_EDGE_TOLERANCE_SECONDS = 1e-3
_MAX_SIDE_PIXELS = 16_384
_MAX_FRAME_PIXELS = 8192 * 8192


class VideoFrames:
    """What of a `Video` gives frames. Times are seconds from the first displayed frame."""

    def __init__(self, reader: Reader) -> None:
        self._reader = reader
        self._index = reader.opened.index
        self.path = reader.opened.path
        self.info = reader.opened.info
        self.video_id = reader.opened.video_id

    @cached_property
    def frame_times_seconds(self) -> npt.NDArray[np.float64]:
        """Presentation times of all displayed frames, ascending from 0.0; read only."""
        return self._index.all_seconds()

    def frames_at(
        self,
        times_seconds: Iterable[float],
        *,
        resize: float = 1.0,
        size: tuple[int, int] | None = None,
        mode: Literal["exact", "key"] = "exact",
        box: Box | None = None,
        timeout_seconds: float | None = None,
    ) -> list[Frame]:
        """One frame per time, in the order given; any order, duplicates allowed.

        Args:
            times_seconds: each within the video; its end gives the last frame.
            resize: factor on both sides of the picture, or of `box` where one is given.
            size: width and height in pixels, in place of `resize`.
            mode: "exact": the frame on screen at the time. "key": the key frame nearest to it,
                which is far cheaper and carries its own true time.
            box: part of the picture to show, (x0, y0, x1, y1) as fractions of it.
            timeout_seconds: how long the call may take; None is unbounded.

        Raises:
            SeekOutOfRange: a time outside the video.
            InvalidArguments: an unknown mode, or resize, size or box make no picture.
            DecodeTimeout: the call took longer.
            DecodeError: a frame cannot be decoded, or the video is closed.
        """
        _require_mode(mode, ("exact", "key"))
        times = [self._within(seconds) for seconds in times_seconds]
        find = exact_targets if mode == "exact" else key_targets
        targets = find(self._index, times)
        return self._take_all(targets, self._size(resize, size, box), box, timeout_seconds)

    def frames_by_index(
        self,
        indices: Iterable[int],
        *,
        resize: float = 1.0,
        size: tuple[int, int] | None = None,
        box: Box | None = None,
        timeout_seconds: float | None = None,
    ) -> list[Frame]:
        """One frame per place in the order of display, 0 the first; any order, duplicates allowed.

        Which time a place means is up to the file: `frame_times_seconds` tells it. The other
        arguments as in `frames_at`.

        Raises:
            SeekOutOfRange: an index below 0, or not below `info.frame_count`.
            InvalidArguments, DecodeTimeout, DecodeError: as in `frames_at`.
        """
        targets = [self._target(index) for index in indices]
        return self._take_all(targets, self._size(resize, size, box), box, timeout_seconds)

    def seek(
        self,
        time_seconds: float,
        *,
        resize: float = 1.0,
        size: tuple[int, int] | None = None,
        timeout_seconds: float | None = None,
    ) -> Frame:
        """The frame on screen at a time. Arguments and errors as in `frames_at`."""
        return self.frames_at(
            [time_seconds], resize=resize, size=size, timeout_seconds=timeout_seconds
        )[0]

    def zoom(
        self,
        time_seconds: float,
        box: Box,
        *,
        resize: float = 1.0,
        size: tuple[int, int] | None = None,
        timeout_seconds: float | None = None,
    ) -> Frame:
        """Part of the frame on screen at a time, by default pixel for pixel as displayed.

        `box` is (x0, y0, x1, y1) as fractions of the picture; the rest as in `frames_at`.
        """
        return self.frames_at(
            [time_seconds], resize=resize, size=size, box=box, timeout_seconds=timeout_seconds
        )[0]

    def frame_select(
        self,
        start_seconds: float,
        end_seconds: float,
        *,
        nframes: int,
        resize: float = 1.0,
        size: tuple[int, int] | None = None,
        mode: Literal["auto", "exact"] = "auto",
        box: Box | None = None,
        timeout_seconds: float | None = None,
    ) -> list[Frame]:
        """Frames spread over a range, in order of time, each frame once; `box` as in `frames_at`.

        "exact" takes the frames on screen at `nframes` even points from start to end, both
        included (one frame: the middle). "auto" does the same where they are less than a second
        apart; from a second on the range is cut into `nframes` equal intervals and each is
        represented by the key frame nearest to its centre, if one lies within half an interval
        (`Frame.snapped`), else by the frame on screen at its centre.

        A range that holds fewer frames than asked for gives those it holds. Frames of a damaged
        part are left out as long as one frame of the range can be decoded.

        Raises:
            SeekOutOfRange: the range leaves the video, or ends before it starts.
            InvalidArguments: nframes below 1, an unknown mode, or resize, size or box make no
                picture.
            DecodeTimeout: the call took longer than `timeout_seconds`.
            DecodeError: no frame of the range can be decoded, or the video is closed.
        """
        _require_mode(mode, ("auto", "exact"))
        start, end = self._within(start_seconds), self._within(end_seconds)
        if end < start:
            raise SeekOutOfRange(f"the range ends ({end:g} s) before it starts ({start:g} s)")
        if nframes < 1:
            raise InvalidArguments(f"nframes must be at least 1, not {nframes}")
        targets = range_targets(self._index, start, end, nframes, auto=mode == "auto")
        frames = self._take(targets, self._size(resize, size, box), box, timeout_seconds)
        kept = {frame.pts_seconds: frame for frame in reversed(frames) if frame is not None}
        if not kept:
            raise self._undecodable(targets[0].requested_seconds)
        return [kept[pts] for pts in sorted(kept)]

    def _target(self, index: int) -> Target:
        count = self.info.frame_count
        if not 0 <= index < count:
            raise SeekOutOfRange(f"frame {index} is outside the video (0 to {count - 1})")
        return Target(index=index, requested_seconds=self._index.seconds(index))

    def _take_all(
        self,
        targets: Sequence[Target],
        size: tuple[int, int],
        box: Box | None,
        timeout_seconds: float | None,
    ) -> list[Frame]:
        """A frame for every target, or `DecodeError`."""
        frames = self._take(targets, size, box, timeout_seconds)
        for target, frame in zip(targets, frames, strict=True):
            if frame is None:
                raise self._undecodable(target.requested_seconds)
        return [frame for frame in frames if frame is not None]

    def _take(
        self,
        targets: Sequence[Target],
        size: tuple[int, int],
        box: Box | None,
        timeout_seconds: float | None,
    ) -> list[Frame | None]:
        wanted = sorted({target.index for target in targets})
        arguments = {
            "wanted": wanted,
            "size": [int(side) for side in size],
            "box": None if box is None else [float(side) for side in box],
        }
        reply = self._reader.perform("frames", arguments, timeout_seconds=timeout_seconds)
        found = dict(zip([w for w, _ in reply.values["delivered"]], reply.arrays, strict=True))
        shown = dict(reply.values["delivered"])
        return [
            Frame(
                pts_seconds=self._index.seconds(shown[target.index]),
                requested_seconds=target.requested_seconds,
                snapped=target.snapped,
                pixels=found[target.index],
                box=box,
            )
            if target.index in found
            else None
            for target in targets
        ]

    def _within(self, seconds: float) -> float:
        duration = self.info.duration_seconds
        if not -_EDGE_TOLERANCE_SECONDS <= seconds <= duration + _EDGE_TOLERANCE_SECONDS:
            raise SeekOutOfRange(
                f"{seconds:g} s is outside the video (0 to {format_seconds(duration)} s)"
            )
        return min(max(float(seconds), 0.0), duration)

    def _size(
        self, resize: float, size: tuple[int, int] | None, box: Box | None
    ) -> tuple[int, int]:
        x0, y0, x1, y1 = box or (0.0, 0.0, 1.0, 1.0)
        if not (0 <= x0 < x1 <= 1 and 0 <= y0 < y1 <= 1):
            raise InvalidArguments(f"box {box} is not (x0, y0, x1, y1) with 0 <= x0 < x1 <= 1")
        if size is None:
            if not (math.isfinite(resize) and resize > 0):
                raise InvalidArguments(f"resize must be a positive number, not {resize}")
            width = max(1, round(self.info.width * (x1 - x0) * resize))
            size = width, max(1, round(self.info.height * (y1 - y0) * resize))
        if not all(1 <= side <= _MAX_SIDE_PIXELS for side in size):
            raise InvalidArguments(
                f"frames of {size[0]}x{size[1]} pixels: sides are 1 to {_MAX_SIDE_PIXELS}"
            )
        if size[0] * size[1] > _MAX_FRAME_PIXELS:
            raise InvalidArguments(
                f"frames of {size[0]}x{size[1]} pixels: at most {_MAX_FRAME_PIXELS} in all"
            )
        return size

    def _undecodable(self, seconds: float) -> DecodeError:
        return DecodeError(
            f"{self.path.name}: nothing can be decoded at {format_seconds(seconds)} s, "
            "the file is damaged there; ask for another time"
        )


def _require_mode(mode: str, known: Sequence[str]) -> None:
    if mode not in known:
        raise InvalidArguments(f"there is no mode {mode!r:.80}, use {' or '.join(known)}")
