"""Cutting by copying packets: nothing is decoded, and the cut starts at a key frame.

It begins at the last key frame that the frame on screen at the start depends on, and ends with the
first frame, at or after the one wanted last, up to which every packet can be shown; so there is
neither a broken picture nor a gap in it.
"""

import itertools
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

import av
import numpy as np
from av.container import InputContainer, OutputContainer
from av.stream import Discard

from eva_graph_tools.cutting.output import (
    begin,
    codec_of,
    misfit,
    open_output,
    takes,
    too_large,
)
from eva_graph_tools.cutting.request import CutRequest, end_ticks
from eva_graph_tools.cutting.sound import shifted, sounds_of
from eva_graph_tools.deadline import Deadline
from eva_graph_tools.errors import CannotCopy
from eva_graph_tools.index import FrameIndex, Ticks
from eva_graph_tools.media import unbroken
from eva_graph_tools.reader import Reply

if TYPE_CHECKING:
    from eva_graph_tools.operations import Media  # which registers this module's operation

_Packet: TypeAlias = "av.Packet[Any]"

_TEXT_CODECS = {"mov_text", "subrip", "ass", "webvtt"}
# Program streams also flag pictures as key frames that are none.
_SPARSELY_STAMPED = {"mpeg"}
# Other streams may lag behind the pictures that they belong to by this much in the file.
_INTERLEAVING_SECONDS = 10
_SEEK_BY_PTS = ("mp4", "matroska", "webm")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Span:
    """Which packets of the video are copied.

    Attributes:
        first, last: numbers of the key packet that it starts with and of the last one.
        start, end: ticks at which the first picture appears and the last one leaves.
        dts: decoding times by number, made from the presentation times: those of the file may
            be missing, or be others after a seek. Packets without one are left out: they lead up
            to a key frame cut away.
    """

    first: int
    last: int
    start: int
    end: int
    dts: dict[int, int]


def copy(media: "Media", request: CutRequest, deadline: Deadline) -> Reply:
    """Copy a range; see the module. Values: `start_seconds`, `end_seconds` on the video's clock.

    Raises:
        CannotCopy: the container does not take the video codec, or the file does not keep the
            time of every frame.
        InvalidArguments: the cut grows too large.
        StoreError: the cut cannot be written.
    """
    opened = media.opened
    index = opened.index
    if index.counted or not index.stamped or opened.info.container in _SPARSELY_STAMPED:
        raise CannotCopy(
            f"{opened.path.name}: the file does not keep the time of every frame, "
            "cut it with exact=True"
        )
    span = _span(index, request)
    container, video = media.reopen(deadline)
    with container, open_output(request.path, request.format_name, CannotCopy) as output:
        if not takes(output, video):
            raise misfit(output, f"{codec_of(video)} video does")
        copier = _Copier(container, video, output, index, span)
        begin(output)
        written = 0
        for packet in copier.packets(deadline):
            written += packet.size
            if written > request.max_bytes:
                raise too_large(request.max_bytes)
            output.mux(packet)
    zero = int(index.shown_pts[0])
    return Reply(
        values={
            "start_seconds": float((span.start - zero) * index.time_base),
            "end_seconds": float((span.end - zero) * index.time_base),
        }
    )


def _span(index: FrameIndex, request: CutRequest) -> _Span:
    first, last = request.frames(index)
    key = index.key_before(int(index.order[first]))
    start = int(index.pts[key])
    shown = min(int(np.searchsorted(index.shown_pts, start)), index.frame_count - 1)
    last = max(last, shown)  # in a damaged file the only key frame may lie after the start
    numbers = index.order[shown:]
    latest = np.maximum.accumulate(numbers)
    earliest_after = np.minimum.accumulate(numbers[::-1])[::-1]
    closed = np.append(earliest_after[1:] > latest[:-1], True)
    end = last + int(np.argmax(closed[last - shown :]))
    number = int(latest[end - shown])
    return _Span(
        first=key,
        last=number,
        start=start,
        end=end_ticks(index, end),
        dts=decoding_times(index.pts[key : number + 1], key, start),
    )


def decoding_times(pts: Ticks, first: int, start: int) -> dict[int, int]:
    """The least delayed ascending times that are nowhere after the presentation times."""
    kept = np.flatnonzero(pts >= start)
    steps = np.arange(len(kept))
    # Distinct also where two pictures of a damaged file claim one time.
    distinct = np.minimum.accumulate((np.sort(pts[kept]) - steps)[::-1])[::-1] + steps
    dts = distinct - np.max(distinct - pts[kept])
    return dict(zip((kept + first).tolist(), dts.tolist(), strict=True))


class _Copier:
    """Streams of a source on their way into a cut."""

    def __init__(
        self,
        container: InputContainer,
        video: av.VideoStream,
        output: OutputContainer,
        index: FrameIndex,
        span: _Span,
    ) -> None:
        self._container, self._video, self._index, self._span = container, video, index, span
        self._start = span.start * index.time_base
        self._end = span.end * index.time_base
        self._pictures = output.add_stream_from_template(video, opaque=True)
        self._sounds = sounds_of(container, output, self._start, self._end)
        self._texts = {
            stream.index: output.add_stream_from_template(stream)
            for stream in container.streams.subtitles
            if codec_of(stream) in _TEXT_CODECS and takes(output, stream)
        }
        for number in (*self._sounds, *self._texts):
            container.streams[number].discard = Discard.default

    def packets(self, deadline: Deadline) -> Iterator[_Packet]:
        """Packets of all streams as they enter the cut."""
        number = -1
        for packet in self._sought():
            deadline.check()
            if packet.stream_index == self._video.index:
                number = self._number(packet, number)
                yield from self._picture(packet, number)
            elif packet.stream_index in self._sounds:
                yield from self._sounds[packet.stream_index].take(packet)
            elif packet.stream_index in self._texts:
                yield from self._text(packet)
            if self._passed(number):
                break
        for sound in self._sounds.values():
            yield from sound.flush()

    def _number(self, packet: _Packet, before: int) -> int:
        """A packet's number; one without times of its own follows the one before."""
        found = self._index.packet_number(packet.pts, packet.dts)
        return before + 1 if found is None else found

    def _passed(self, number: int) -> bool:
        """Whether nothing more is to come, `number` being the latest picture's."""
        if number < self._span.last:
            return False
        if all(sound.finished for sound in self._sounds.values()):
            return True
        lag = int(self._index.pts[min(number, len(self._index.pts) - 1)]) - self._span.end
        return lag * self._index.time_base > _INTERLEAVING_SECONDS

    def _picture(self, packet: _Packet, number: int) -> Iterator[_Packet]:
        dts = self._span.dts.get(number)
        if dts is not None:
            packet.pts, packet.dts = int(self._index.pts[number]), dts
            shown = int(self._index.display_indices[number])
            if shown >= 0:
                packet.duration = end_ticks(self._index, shown) - packet.pts
            yield shifted(packet, self._pictures, self._start)

    def _text(self, packet: _Packet) -> Iterator[_Packet]:
        if packet.pts is None or packet.time_base is None:
            return
        begin = packet.pts * packet.time_base
        end = begin + (packet.duration or 0) * packet.time_base
        if begin < self._end and end > self._start:
            late = max(0, round((self._start - begin) / packet.time_base))
            packet.pts, packet.dts = packet.pts + late, packet.pts + late
            packet.duration = (packet.duration or 0) - late
            yield shifted(packet, self._texts[packet.stream_index], self._start)

    def _sought(self) -> Iterable[_Packet]:
        """Packets from a point that is verified to lie at or before the first wanted one.

        Raises:
            CannotCopy: the container finds no such point.
        """
        wanted = [self._video.index, *self._sounds, *self._texts]
        streams = [self._container.streams[number] for number in wanted]
        for target in self._seek_points():
            try:
                self._container.seek(target, stream=self._video, backward=True)
            except av.error.FFmpegError:
                continue
            packets = unbroken(self._container.demux(streams))
            early = []
            for packet in packets:
                early.append(packet)
                if packet.stream_index == self._video.index:
                    break
            number = self._index.packet_number(early[-1].pts, early[-1].dts) if early else None
            if number is not None and number <= self._span.first:
                return itertools.chain(early, packets)
        raise CannotCopy("the file cannot be sought: cut it with exact=True")

    def _seek_points(self) -> Iterator[int]:
        by_pts = any(name in self._container.format.name for name in _SEEK_BY_PTS)
        ticks = self._index.pts if by_pts else self._index.dts
        for steps_back in (0, 1, 8):
            yield int(ticks[self._index.keys_back(self._span.first, steps_back)])
        yield int(ticks.min())
