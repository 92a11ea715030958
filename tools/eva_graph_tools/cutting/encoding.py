"""Cutting exactly: pictures are decoded and encoded again (x264, veryfast, crf 20).

The cut begins with the picture on screen at the start, shown for what is left of its time, and
ends at the end; in between every picture keeps its own time. Stored orientation, pixel aspect and
colour description are kept; sound is copied where the container takes it.
"""

import itertools
import os
from collections.abc import Generator
from contextlib import closing
from fractions import Fraction
from typing import TYPE_CHECKING, Any, TypeAlias

import av
import numpy as np
from av.container import OutputContainer
from av.video.frame import PictureType

from eva_graph_tools.cutting.output import open_output, too_large
from eva_graph_tools.cutting.request import CutRequest, end_ticks, zero_seconds
from eva_graph_tools.cutting.sound import Sounds
from eva_graph_tools.deadline import Deadline
from eva_graph_tools.decode import Decoder
from eva_graph_tools.errors import DecodeError, InvalidArguments
from eva_graph_tools.picture import Geometry
from eva_graph_tools.reader import Opened, Reply
from eva_graph_tools.timecode import format_seconds

if TYPE_CHECKING:
    from eva_graph_tools.operations import Media  # which registers this module's operation

_Packet: TypeAlias = "av.Packet[Any]"

_TIME_BASE = Fraction(1, 90_000)
# Without B-pictures: an mp4 keeps how long a picture is shown only if it is decoded in that order.
_OPTIONS = {"preset": "veryfast", "crf": "20", "bf": "0"}
_KEPT_FORMATS = {
    "yuv420p", "yuvj420p", "yuv422p", "yuvj422p", "yuv444p", "yuvj444p",
    "yuv420p10le", "yuv422p10le", "yuv444p10le",
}  # fmt: skip
_ODD_SIZE_FORMAT = "yuv444p"
_ONE = 1 << 16
_BT601 = 6
_MAX_THREADS = 4
_KEYS_BACK = (0, 1, 8)


def encode(media: "Media", request: CutRequest, deadline: Deadline) -> Reply:
    """Encode a range; see the module. Values: `start_seconds`, `end_seconds` as asked for.

    Raises:
        InvalidArguments: the container does not take H.264, or the cut grows too large.
        DecodeError: no picture of the range can be decoded.
        DecodeTimeout: the deadline passed.
        StoreError: the cut cannot be written.
    """
    opened = media.opened
    first, last = request.frames(opened.index)
    zero = zero_seconds(opened.index)
    start, end = (zero + Fraction(s) for s in (request.start_seconds, request.end_seconds))
    source, video = media.reopen(deadline)
    with (
        source,
        open_output(request.path, request.format_name, DecodeError) as output,
        media.decoder(deadline) as decoder,
        closing(_shown(decoder, first, last)) as shown,
    ):
        if "h264" not in output.supported_codecs:
            raise InvalidArguments("H.264 does not go into webm: give a path that ends in .mkv")
        opening = next(shown, None)
        if opening is None:
            raise DecodeError(
                f"{opened.path.name}: nothing can be decoded from "
                f"{format_seconds(request.start_seconds)} s on, the file is damaged there"
            )
        pictures = _Pictures(output, opened, opening[1], video.sample_aspect_ratio, (start, end))
        sounds = Sounds(source, output, start, end)
        written = 0
        for number, frame in itertools.chain((opening,), shown):
            deadline.check()
            for packet in (*pictures.take(number, frame), *sounds.until(pictures.reached)):
                written += packet.size
                output.mux(packet)
            if written > request.max_bytes:
                raise too_large(request.max_bytes)
        deadline.check()
        for packet in (*pictures.flush(), *sounds.until(end - start)):
            output.mux(packet)
    return Reply(
        values={"start_seconds": request.start_seconds, "end_seconds": request.end_seconds}
    )


def _shown(
    decoder: Decoder, first: int, last: int
) -> Generator[tuple[int, av.VideoFrame], None, None]:
    """Pictures from the first to the last; those lost to a damage are left out.

    Where the nearest key frame does not yield the first one, decoding starts at earlier ones.
    """
    index = decoder.index
    key = index.key_before(int(index.order[first]))
    for steps_back in _KEYS_BACK:
        start = int(np.searchsorted(index.shown_pts, index.pts[index.keys_back(key, steps_back)]))
        with closing(decoder.sweep(min(start, first), last + 1)) as pictures:
            opening = next((picture for picture in pictures if picture[0] >= first), None)
            if opening is not None and (opening[0] == first or steps_back == _KEYS_BACK[-1]):
                yield opening
                yield from pictures
                return


class _Pictures:
    """The encoder; `reached` is how far it has come, in seconds of the cut."""

    def __init__(
        self,
        output: OutputContainer,
        opened: Opened,
        first: av.VideoFrame,
        sample_aspect_ratio: Fraction | None,
        span: tuple[Fraction, Fraction],
    ) -> None:
        self._index = opened.index
        self._start, self._end = span
        self._durations: dict[int, int] = {}
        self._format = _format_of(first)
        self._size = first.width, first.height
        rate = Fraction(opened.info.average_fps).limit_denominator(1001)
        self._stream = output.add_stream("libx264", rate=rate, options=dict(_OPTIONS))
        self._stream.width, self._stream.height = self._size
        self._stream.pix_fmt = self._format
        self._stream.thread_count = min(_MAX_THREADS, os.cpu_count() or 1)
        context = self._stream.codec_context
        context.time_base = _TIME_BASE
        if sample_aspect_ratio:
            context.sample_aspect_ratio = sample_aspect_ratio
        if first.format.name == self._format:
            context.colorspace = first.colorspace
            context.color_range = first.color_range
            context.color_primaries = first.color_primaries
            context.color_trc = first.color_trc
        else:
            context.colorspace = _BT601  # what the conversion below makes
        self._stream.set_display_matrix(display_matrix(opened.geometry))
        self.reached = Fraction(0)

    def take(self, number: int, frame: av.VideoFrame) -> list[_Packet]:
        """Encode the picture of a display index."""
        appears = int(self._index.shown_pts[number]) * self._index.time_base
        leaves = end_ticks(self._index, number) * self._index.time_base
        # A damaged beginning is bridged by the first picture that there is.
        self.reached = max(appears, self._start) - self._start if self._durations else Fraction(0)
        if frame.format.name != self._format or (frame.width, frame.height) != self._size:
            width, height = self._size
            frame = frame.reformat(width, height, format=self._format)
        frame.pts, frame.time_base = round(self.reached / _TIME_BASE), _TIME_BASE
        frame.pict_type = PictureType.NONE
        until = round((min(leaves, self._end) - self._start) / _TIME_BASE)
        self._durations[frame.pts] = max(1, until - frame.pts)
        return self._timed(self._stream.encode(frame))

    def flush(self) -> list[_Packet]:
        """What the encoder still holds."""
        return self._timed(self._stream.encode(None))

    def _timed(self, packets: list[_Packet]) -> list[_Packet]:
        for packet in packets:
            packet.duration = self._durations.get(packet.pts or 0, 1)
        return packets


def _format_of(frame: av.VideoFrame) -> str:
    name = frame.format.name
    if name in _KEPT_FORMATS:
        subsampled = "444" not in name
        odd = frame.width % 2 or (frame.height % 2 and "420" in name)
        return _ODD_SIZE_FORMAT if subsampled and odd else name
    return _ODD_SIZE_FORMAT if frame.width % 2 or frame.height % 2 else "yuv420p"


def display_matrix(geometry: Geometry) -> list[int] | None:
    """The container's matrix that turns stored pictures for display; None for upright ones."""
    x, y = (-_ONE if geometry.flip_x else _ONE), (-_ONE if geometry.flip_y else _ONE)
    if geometry.transpose:
        return [0, y, 0, x, 0, 0, 0, 0, 1 << 30]
    return None if x == y == _ONE else [x, 0, 0, 0, y, 0, 0, 0, 1 << 30]
