"""Exact decoding of chosen frames.

Frames are asked for by display index and matched by their own timestamps, never by counting
seconds or frames per second. Requests are grouped by the key frame they depend on, so each group of
pictures is decoded once, and no further than its last wanted picture. Pictures that nothing refers
to are not decoded unless they are wanted; what does not come out that way is decoded in full.
"""

import itertools
from collections.abc import Callable, Generator, Iterable, Iterator
from typing import Literal, TypeVar

import av
import numpy as np

from eva_graph_tools.deadline import Deadline
from eva_graph_tools.index import FrameIndex
from eva_graph_tools.indexing.scan import Packet
from eva_graph_tools.media import Source
from eva_graph_tools.non_reference import tells_non_reference
from eva_graph_tools.packets import NumberedPacket, PacketReader

T = TypeVar("T")
Skip = Literal["none", "nonref", "nonkey"]

# Pictures lost at the very end, within this time of the last decodable one, are shown as that one.
_TAIL_SECONDS = 1.0
# How many key frames further back decoding starts when the nearest one does not yield the frame.
_RETRIES = (0, 1, 8)
# Colour matrices (ISO/IEC 23091-2) that can be converted from: RGB, BT.709, none named, FCC,
# BT.601 twice, SMPTE 240M, BT.2020. Others, ICtCp or what a damaged file claims, count as none.
_CONVERTIBLE = {0, 1, 2, 4, 5, 6, 7, 9}
_UNSPECIFIED = 2


class Decoder:
    """One open decoder of one video stream. One caller at a time."""

    def __init__(self, reopen: Callable[[], Source], source: Source, index: FrameIndex) -> None:
        """`reopen` opens the file afresh, for streams that cannot be sought."""
        self._reader = PacketReader(reopen, source, index)
        self._damaged = False  # something that was decoded last

    @property
    def index(self) -> FrameIndex:
        """The stream's frames."""
        return self._reader.index

    @index.setter
    def index(self, index: FrameIndex) -> None:
        self._reader.index = index

    @property
    def deadline(self) -> Deadline:
        """Until when the present caller waits; checked before every packet."""
        return self._reader.deadline

    @deadline.setter
    def deadline(self, deadline: Deadline) -> None:
        self._reader.deadline = deadline

    def close(self) -> None:
        """Release the file."""
        self._reader.close()

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

        Raises:
            DecodeTimeout: the deadline passed.
        """
        found: dict[int, tuple[int, T]] = {}
        for start, group in sorted(self.index.groups(wanted).items()):
            self._decode_group(start, group, convert, found)
        return found

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
        pictures: Iterator[tuple[int | None, av.VideoFrame]]
        if skip == "nonkey":
            pictures = self._keys(start_index, end_index)
        else:
            numbers = self.index.order[start_index:end_index]
            begin, last = self.index.key_before(int(numbers[0])), int(numbers.max())
            pictures = self._frames(begin, last=last, lean=skip == "nonref")
        shown = -1
        for index, frame in pictures:
            if index is not None and start_index <= index < end_index and index > shown:
                shown = index
                yield index, frame
            if shown == end_index - 1:
                return

    def _decode_group(
        self,
        start: int,
        wanted: set[int],
        convert: Callable[[av.VideoFrame], T],
        found: dict[int, tuple[int, T]],
    ) -> None:
        found |= self._lean(start, wanted, convert)
        pending = wanted - found.keys()
        for steps_back in _RETRIES:
            if not pending:
                return
            begin = self.index.keys_back(start, steps_back)
            self._collect(begin, pending, convert, found, substitute=steps_back > 0)

    def _lean(
        self, start: int, wanted: set[int], convert: Callable[[av.VideoFrame], T]
    ) -> dict[int, tuple[int, T]]:
        """What comes out undamaged when only what the wanted frames need is decoded.

        How a decoder makes up for damage depends on all it has seen, so a damaged group has to be
        decoded in full: the same frame must come out the same whatever else is wanted.
        """
        found: dict[int, tuple[int, T]] = {}
        numbers = {int(self.index.order[index]) for index in wanted}
        for index, frame in self._frames(start, last=max(numbers), needed=numbers, lean=True):
            if index in wanted:
                found[index] = (index, convert(frame))
        return {} if self._damaged else found

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
        for lost in sorted(pending):
            if shown[0] < lost and self.index.seconds(lost) <= until:
                found[lost] = (shown[0], convert(shown[1]))
                pending.discard(lost)

    def _frames(
        self,
        begin: int,
        *,
        last: int | None = None,
        needed: Iterable[int] = (),
        lean: bool = False,
    ) -> Iterator[tuple[int | None, av.VideoFrame]]:
        """Frames in the decoder's order with their display indices.

        Args:
            begin: the key packet to start from.
            last: the packet after which nothing more is decoded; None is the end of the file.
            needed: packets whose pictures have to come out even if nothing refers to them.
            lean: leave out other pictures that nothing refers to, where they can be told.
        """
        begin, packets = self._reader.from_key(begin)
        index = self.index
        by_position = index.counted or not index.stamped
        if by_position:
            last = None  # which packet holds a picture is not known
        position = int(np.searchsorted(index.order, begin))
        tells = lean and not by_position and tells_non_reference(self._reader.stream.codec_context)
        spared = set(needed) if tells else None
        for frame in self._decoded(packets, last, spared):
            if by_position:
                yield (position if position < index.frame_count else None), frame
                position += 1
            else:
                yield self._display_index(frame), frame

    def _decoded(
        self, packets: Iterator[NumberedPacket], last: int | None, spared: set[int] | None
    ) -> Iterator[av.VideoFrame]:
        context = self._reader.stream.codec_context
        context.flush_buffers()
        self._damaged = False
        try:
            for number, packet in packets:
                if spared is not None:
                    context.skip_frame = "DEFAULT" if number in spared else "NONREF"
                yield from self._pictures(packet)
                if last is not None and number >= last:
                    break
            yield from self._pictures(None)
        finally:
            context.skip_frame = "DEFAULT"

    def _pictures(self, packet: "Packet | None") -> list[av.VideoFrame]:
        """The pictures that a packet, or the end of all packets, brings out."""
        try:
            frames = self._reader.stream.codec_context.decode(packet)
        except av.error.FFmpegError:
            self._damaged = True
            return []  # later packets may still decode
        self._damaged = self._damaged or any(frame.is_corrupt for frame in frames)
        for frame in frames:
            if frame.colorspace not in _CONVERTIBLE:
                frame.colorspace = _UNSPECIFIED
        return frames

    def _keys(self, start_index: int, end_index: int) -> Iterator[tuple[int, av.VideoFrame]]:
        shown = self.index.order[start_index:end_index]
        for key in np.sort(shown[self.index.key[shown]]).tolist():
            begin, packets = self._reader.from_key(key)
            if begin == key:
                for frame in itertools.islice(self._decoded(packets, key, None), 1):
                    yield int(self.index.display_indices[key]), frame

    def _display_index(self, frame: av.VideoFrame) -> int | None:
        pts = frame.pts if frame.pts is not None else frame.dts
        if pts is None:
            return None
        position = int(np.searchsorted(self.index.shown_pts, pts))
        known = position < self.index.frame_count and self.index.shown_pts[position] == pts
        return position if known else None
