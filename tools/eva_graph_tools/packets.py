"""`PacketReader`: the packets of one video stream from a key frame on, each with its number.

Seeking is never trusted: what it lands on is looked up in the index, and an earlier point is tried
where it lies too far ahead. A key frame that follows shortly is read on to, without a seek.
"""

import itertools
from collections.abc import Callable, Iterator
from typing import TypeAlias

import av

from eva_graph_tools.deadline import Deadline
from eva_graph_tools.index import FrameIndex
from eva_graph_tools.indexing.scan import Packet, packets_of
from eva_graph_tools.media import Source

NumberedPacket: TypeAlias = tuple[int, Packet]

_SEEK_BY_PTS = ("mp4", "matroska", "webm")
# Reading a packet costs microseconds, a seek by table some of these, one by trial thousands.
_READ_ON_BY_TABLE, _READ_ON = 64, 1024
# How many key frames earlier a seek that landed too late is tried again.
_EARLIER_KEYS = (1, 2, 6)


class PacketReader:
    """Reads one open file. Not thread safe.

    Attributes:
        container, stream: the open file; they change where it has to be opened afresh.
        deadline: until when the present caller waits; checked before every packet.
    """

    def __init__(self, reopen: Callable[[], Source], source: Source, index: FrameIndex) -> None:
        """`reopen` opens the file afresh, for streams that cannot be sought."""
        self._reopen = reopen
        self.container, self.stream = source
        self.index = index
        self.deadline = Deadline()
        self._ahead: Iterator[NumberedPacket] | None = None
        self._next = 0
        self._opened = True

    def close(self) -> None:
        """Release the file."""
        self._ahead = None
        self.container.close()

    def from_key(self, key: int) -> tuple[int, Iterator[NumberedPacket]]:
        """Packets from a key frame on, to the end of what can be read, and the first one's number.

        That is packet number `key`, unless the packet turns out to be no key frame: then an earlier
        one. Ends an iteration begun before.
        """
        steps = 1
        while True:
            packets = self._reach(key)
            first = next(packets, None)
            if first is None:
                return key, iter(())
            if key == 0 or first[1].is_keyframe:
                return first[0], itertools.chain((first,), packets)
            key = self.index.keys_back(key, steps)
            steps *= 2

    def _reach(self, key: int) -> Iterator[NumberedPacket]:
        by_table = "mp4" in self.container.format.name
        limit = _READ_ON_BY_TABLE if by_table else _READ_ON
        near = self._next <= key and (not self.index.stamped or key - self._next <= limit)
        if self._ahead is None or not near:
            self._ahead = self._sought(key)
        return self._passed(self._ahead, key)

    def _passed(self, packets: Iterator[NumberedPacket], key: int) -> Iterator[NumberedPacket]:
        for number, packet in packets:
            self.deadline.check()
            self._next = number + 1
            if number >= key:
                yield number, packet

    def _sought(self, key: int) -> Iterator[NumberedPacket]:
        """Packets from a verified point at or before packet number `key`."""
        for ticks in self._seek_points(key):
            try:
                self.container.seek(ticks, stream=self.stream, backward=True)
            except av.error.FFmpegError:
                continue
            packets = _until_broken(packets_of(self.container, self.stream))
            landed = self._landed(packets, key)
            if landed is not None and landed[0] <= key:
                return itertools.chain((landed,), _numbered(self.index, packets, landed[0] + 1))
        self._opened = False
        self.container.close()
        self.container, self.stream = self._reopen()
        self._opened = True
        packets = _until_broken(packets_of(self.container, self.stream))
        return _numbered(self.index, packets, 0)

    def _seek_points(self, key: int) -> Iterator[int]:
        index = self.index
        if not (index.stamped and self._opened):
            return
        by_pts = any(name in self.container.format.name for name in _SEEK_BY_PTS)
        first, second = (index.pts, index.dts) if by_pts else (index.dts, index.pts)
        yield int(first[key])
        yield int(min(second[key], first[key]))
        for steps_back in _EARLIER_KEYS:
            yield int(index.dts[index.keys_back(key, steps_back)])

    def _landed(self, packets: Iterator[Packet], key: int) -> NumberedPacket | None:
        for packet in packets:
            number = _number(self.index, packet, likely=key)
            if not self._torn(packet, number):
                return (number, packet) if number is not None else None
        return None

    def _torn(self, packet: Packet, number: int | None) -> bool:
        # A program stream is entered in mid-picture: the rest of it bears another one's times.
        if self.container.format.name != "mpeg" or number is None:
            return False
        return not packet.is_keyframe or packet.dts != self.index.dts[number]


# Functions and not methods: a reader that its own iterator held would outlive its last user.
def _numbered(
    index: FrameIndex, packets: Iterator[Packet], expected: int
) -> Iterator[NumberedPacket]:
    for packet in packets:
        if index.stamped:
            number = _number(index, packet, likely=expected)
            expected = expected if number is None else number
        yield expected, packet
        expected += 1


def _number(index: FrameIndex, packet: Packet, *, likely: int) -> int | None:
    """Number of a packet by its times, looked for at `likely` first."""
    if likely < len(index.pts):
        stated, kept = (
            (packet.pts, index.pts) if packet.pts is not None else (packet.dts, index.dts)
        )
        if stated is not None and stated == int(kept[likely]):
            return likely
    return index.packet_number(packet.pts, packet.dts)


def _until_broken(packets: Iterator[Packet]) -> Iterator[Packet]:
    try:
        yield from packets
    except av.error.FFmpegError:
        return
