"""Exact decoding of chosen frames.

Frames are asked for by display index and matched by their own timestamps, never by counting
seconds or frames per second. Requests are grouped by the key frame they depend on, so each group of
pictures is decoded once. What a seek lands on is verified, and an earlier point is tried where it
overshot.
"""

import itertools
from collections.abc import Callable, Iterable, Iterator
from typing import TypeAlias, TypeVar

import av
import numpy as np

from eva_graph_tools.index import FrameIndex

T = TypeVar("T")
Source = tuple[av.container.InputContainer, av.VideoStream]
_Packet: TypeAlias = "av.Packet[av.VideoStream]"

# Pictures lost at the very end, within this time of the last decodable one, are shown as that one.
_TAIL_SECONDS = 1.0
_SEEK_BY_PTS = ("mp4", "matroska", "webm")
# How many key frames further back decoding starts when the nearest one does not yield the frame.
_RETRIES = (0, 1, 8)


class Decoder:
    """One open decoder of one video stream. One caller at a time: the owner holds a lock."""

    def __init__(self, reopen: Callable[[], Source], source: Source, index: FrameIndex) -> None:
        """`reopen` opens the file afresh, for streams that cannot be sought."""
        self._reopen = reopen
        self._container, self._stream = source
        self.index = index
        self._by_pts = np.argsort(index.pts, kind="stable")

    def close(self) -> None:
        """Release the file."""
        self._container.close()

    def first(self, convert: Callable[[av.VideoFrame], T]) -> tuple[int, T] | None:
        """Display index and conversion of the first frame that can be decoded, if any."""
        for index, frame in self._frames(0):
            if index is not None:
                return index, convert(frame)
        return None

    def decode(
        self, wanted: Iterable[int], convert: Callable[[av.VideoFrame], T]
    ) -> dict[int, tuple[int, T]]:
        """Decode frames by display index.

        Returns:
            For each wanted index the index of the frame delivered and `convert` of it. The two
            differ where the file holds no picture of its own for the wanted one: then it is the
            frame that stays on screen. Frames that cannot be decoded are absent.
        """
        found: dict[int, tuple[int, T]] = {}
        groups: dict[int, set[int]] = {}
        for index in wanted:
            start = self.index.key_before(int(self.index.order[index]))
            groups.setdefault(start, set()).add(index)
        for start in sorted(groups):
            self._decode_group(start, groups[start], convert, found)
        return found

    def _decode_group(
        self,
        start: int,
        wanted: set[int],
        convert: Callable[[av.VideoFrame], T],
        found: dict[int, tuple[int, T]],
    ) -> None:
        keys = np.flatnonzero(self.index.key[: start + 1])
        for steps_back in _RETRIES:
            pending = wanted - found.keys()
            if not pending:
                return
            begin = int(keys[max(0, len(keys) - 1 - steps_back)])
            self._collect(begin, pending, convert, found, substitute=steps_back > 0)

    def _collect(
        self,
        begin: int,
        pending: set[int],
        convert: Callable[[av.VideoFrame], T],
        found: dict[int, tuple[int, T]],
        *,
        substitute: bool,
    ) -> None:
        last = max(pending)
        shown: tuple[int, av.VideoFrame] | None = None
        for index, frame in self._frames(begin):
            if index is None:
                continue
            if substitute and shown is not None:
                for lost in [i for i in pending if shown[0] < i < index]:
                    found[lost] = (shown[0], convert(shown[1]))
                    pending.discard(lost)
            if index in pending:
                found[index] = (index, convert(frame))
                pending.discard(index)
            if not pending or index > last:
                return
            shown = (index, frame)
        if substitute and shown is not None:
            self._close_tail(shown, pending, convert, found)

    def _close_tail(
        self,
        shown: tuple[int, av.VideoFrame],
        pending: set[int],
        convert: Callable[[av.VideoFrame], T],
        found: dict[int, tuple[int, T]],
    ) -> None:
        until = self.index.seconds(shown[0]) + _TAIL_SECONDS
        for lost in pending:
            if shown[0] < lost and self.index.seconds(lost) <= until:
                found[lost] = (shown[0], convert(shown[1]))

    def _frames(self, begin: int) -> Iterator[tuple[int | None, av.VideoFrame]]:
        """Frames in display order from a key packet on, with their display indices."""
        number, packets = self._packets_from(begin)
        position = int(np.searchsorted(self.index.order, number)) if self.index.counted else 0
        for frame in self._decoded(packets):
            if self.index.counted or not self.index.stamped:
                yield (position if position < self.index.frame_count else None), frame
                position += 1
            else:
                yield self._display_index(frame), frame

    def _decoded(self, packets: Iterable[_Packet]) -> Iterator[av.VideoFrame]:
        context = self._stream.codec_context
        for packet in _until_broken(packets):
            if packet.size:
                try:
                    frames = context.decode(packet)
                except av.error.FFmpegError:
                    continue  # a damaged packet: later ones may still decode
                yield from frames
        try:
            yield from context.decode(None)
        except av.error.FFmpegError:
            return

    def _display_index(self, frame: av.VideoFrame) -> int | None:
        pts = frame.pts if frame.pts is not None else frame.dts
        if pts is None:
            return None
        position = int(np.searchsorted(self.index.shown_pts, pts))
        known = position < self.index.frame_count and self.index.shown_pts[position] == pts
        return position if known else None

    def _packets_from(self, key: int) -> tuple[int, Iterable[_Packet]]:
        """Packets from a verified point at or before packet number `key`, and its number."""
        for ticks in self._seek_points(key):
            try:
                self._container.seek(ticks, stream=self._stream, backward=True)
            except av.error.FFmpegError:
                continue
            self._stream.codec_context.flush_buffers()
            packets = iter(_until_broken(self._container.demux(self._stream)))
            first = next((packet for packet in packets if packet.size), None)
            number = self._number(first) if first is not None else None
            if first is not None and number is not None and number <= key:
                return number, itertools.chain((first,), packets)
        stale = self._container
        self._container, self._stream = self._reopen()
        stale.close()
        return 0, self._container.demux(self._stream)

    def _seek_points(self, key: int) -> Iterator[int]:
        if not self.index.stamped:
            return
        by_pts = any(name in self._container.format.name for name in _SEEK_BY_PTS)
        first, second = (
            (self.index.pts, self.index.dts) if by_pts else (self.index.dts, self.index.pts)
        )
        yield int(first[key])
        yield int(min(second[key], first[key]))
        keys = np.flatnonzero(self.index.key[:key])
        for steps_back in (1, 2, 6):
            if steps_back <= len(keys):
                yield int(self.index.dts[keys[-steps_back]])

    def _number(self, packet: _Packet) -> int | None:
        """Number of a packet in decode order, by its timestamps."""
        index = self.index
        if packet.pts is not None:
            ordered = index.pts[self._by_pts]
            position = int(np.searchsorted(ordered, packet.pts))
            if position < len(ordered) and ordered[position] == packet.pts:
                return int(self._by_pts[position])
        if packet.dts is not None:
            matches = np.flatnonzero(index.dts == packet.dts)
            if len(matches):
                return int(matches[0])
        return None


def _until_broken(packets: Iterable[_Packet]) -> Iterator[_Packet]:
    try:
        yield from packets
    except av.error.FFmpegError:
        return
