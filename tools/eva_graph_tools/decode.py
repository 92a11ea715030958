"""Exact decoding of chosen frames.

Frames are asked for by display index and matched by their own timestamps, never by counting
seconds or frames per second. Requests are grouped by the key frame they depend on, so each group of
pictures is decoded once. What a seek lands on is verified, and an earlier point is tried where it
overshot.
"""

import itertools
from collections.abc import Callable, Generator, Iterable, Iterator
from typing import Literal, TypeAlias, TypeVar

import av
import numpy as np

from eva_graph_tools.deadline import Deadline
from eva_graph_tools.index import FrameIndex

T = TypeVar("T")
Source = tuple[av.container.InputContainer, av.VideoStream]
Skip = Literal["none", "nonref", "nonkey"]
_Packet: TypeAlias = "av.Packet[av.VideoStream]"

# Pictures lost at the very end, within this time of the last decodable one, are shown as that one.
_TAIL_SECONDS = 1.0
# Codecs whose decoder drops a picture nothing refers to before decoding it, and is right about it.
_TELLS_NON_REFERENCE = {"h264", "hevc", "mpeg4", "mpeg2video", "mpeg1video", "vc1", "vp8"}
_SEEK_BY_PTS = ("mp4", "matroska", "webm")
# How many key frames further back decoding starts when the nearest one does not yield the frame.
_RETRIES = (0, 1, 8)


class Decoder:
    """One open decoder of one video stream. One caller at a time.

    Attributes:
        index: the stream's frames.
        deadline: until when the present caller waits; checked before every packet.
    """

    def __init__(self, reopen: Callable[[], Source], source: Source, index: FrameIndex) -> None:
        """`reopen` opens the file afresh, for streams that cannot be sought."""
        self._reopen = reopen
        self._container, self._stream = source
        self.index = index
        self.deadline = Deadline()

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
        for steps_back in _RETRIES:
            pending = wanted - found.keys()
            if not pending:
                return
            begin = self.index.keys_back(start, steps_back)
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

    def sweep(
        self, start_index: int, end_index: int, *, skip: Skip = "none"
    ) -> Generator[tuple[int, av.VideoFrame], None, None]:
        """Pictures shown from one display index up to another (excluded), in display order.

        Args:
            start_index, end_index: display indices.
            skip: which pictures are left out. "none"; "nonref": those that no other picture
                refers to, where the codec can tell them; "nonkey": all but key frames.

        Pictures that cannot be decoded are left out as well. Exhaust or close the iterator before
        the decoder is used for anything else.
        """
        if start_index >= end_index:
            return
        pictures = (
            self._keys(start_index, end_index)
            if skip == "nonkey"
            else self._range(start_index, end_index, skip)
        )
        last = -1
        for index, frame in pictures:
            if start_index <= index < end_index and index > last:
                last = index
                yield index, frame

    def _range(
        self, start_index: int, end_index: int, skip: Skip
    ) -> Iterator[tuple[int, av.VideoFrame]]:
        context = self._stream.codec_context
        begin = self.index.key_before(int(self.index.order[start_index]))
        if skip == "nonref" and context.name in _TELLS_NON_REFERENCE and not self.index.counted:
            context.skip_frame = "NONREF"
        try:
            for index, frame in self._frames(begin):
                if index is not None:
                    yield index, frame
                    if index >= end_index - 1:
                        return
        finally:
            self._stream.codec_context.skip_frame = "DEFAULT"

    def _keys(self, start_index: int, end_index: int) -> Iterator[tuple[int, av.VideoFrame]]:
        wanted = self.index.order[start_index:end_index]
        keys = wanted[self.index.key[wanted]]
        if not len(keys):
            return
        first, packets = self._packets_from(int(keys.min()))
        read = (packet for packet in _until_broken(packets) if packet.size)
        for count, packet in enumerate(read, first):
            if not packet.is_keyframe:
                continue
            number = self._number(packet) if self.index.stamped else count
            if number is not None and self.index.display_indices[number] >= 0:
                self.deadline.check()
                for frame in self._alone(packet):
                    yield int(self.index.display_indices[number]), frame
                if number >= keys.max():
                    return

    def _alone(self, packet: _Packet) -> list[av.VideoFrame]:
        context = self._stream.codec_context
        try:
            return [*context.decode(packet), *context.decode(None)][:1]
        except av.error.FFmpegError:
            return []
        finally:
            context.flush_buffers()

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
                self.deadline.check()
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
            landed = self._landed(packets, key)
            if landed is not None:
                return landed[0], itertools.chain((landed[1],), packets)
        stale = self._container
        self._container, self._stream = self._reopen()
        stale.close()
        return 0, self._container.demux(self._stream)

    def _landed(self, packets: Iterable[_Packet], key: int) -> tuple[int, _Packet] | None:
        """The packet to start from and its number, if it is at or before packet `key`."""
        for packet in packets:
            number = self._number(packet) if packet.size else None
            if packet.size and not self._torn(packet, number):
                return (number, packet) if number is not None and number <= key else None
        return None

    def _torn(self, packet: _Packet, number: int | None) -> bool:
        # A program stream is entered in mid-picture: the rest of it bears another one's times.
        if self._container.format.name != "mpeg" or number is None:
            return False
        return not packet.is_keyframe or packet.dts != self.index.dts[number]

    def _seek_points(self, key: int) -> Iterator[int]:
        if not self.index.stamped:
            return
        by_pts = any(name in self._container.format.name for name in _SEEK_BY_PTS)
        first, second = (
            (self.index.pts, self.index.dts) if by_pts else (self.index.dts, self.index.pts)
        )
        yield int(first[key])
        yield int(min(second[key], first[key]))
        for steps_back in (1, 2, 6):
            yield int(self.index.dts[self.index.keys_back(key, steps_back)])

    def _number(self, packet: _Packet) -> int | None:
        return self.index.packet_number(packet.pts, packet.dts)


def _until_broken(packets: Iterable[_Packet]) -> Iterator[_Packet]:
    try:
        yield from packets
    except av.error.FFmpegError:
        return
