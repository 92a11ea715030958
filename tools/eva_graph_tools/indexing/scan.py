"""The packets of any file, read one by one. Nothing is decoded."""

from collections.abc import Iterator
from typing import TypeAlias

import av
import numpy as np

from eva_graph_tools.deadline import Deadline
from eva_graph_tools.index import Ticks
from eva_graph_tools.indexing.columns import PacketColumns, frame_ticks
from eva_graph_tools.timecode import parse_time

Packet: TypeAlias = "av.Packet[av.VideoStream]"

_MAX_FAILURES = 16
_PACKETS_PER_CHECK = 256
_LAST_ENTRIES = 64
_CLAIM_SLACK = 1.02  # headers round


def packets_of(container: av.container.InputContainer, stream: av.VideoStream) -> Iterator[Packet]:
    """The packets from the present position on, past damage where the demuxer can go on.

    Empty packets are left out. Raises the demuxer's last `FFmpegError` where it cannot go on.
    """
    failures = 0
    while True:
        try:
            for packet in container.demux(stream):
                if packet.size:
                    failures = 0
                    yield packet
            return
        except (av.error.EOFError, IndexError):
            return  # PyAV fails at the end of a file whose demuxer found more streams on the way
        except av.error.FFmpegError:
            failures += 1
            if failures == _MAX_FAILURES:
                raise


class _Rows:
    """The columns as they grow."""

    def __init__(self) -> None:
        self.pts: list[int | None] = []
        self.dts: list[int | None] = []
        self.durations: list[int] = []
        self.key: list[bool] = []
        self.shown: list[bool] = []
        self.whole: list[bool] = []

    def add(self, packet: Packet) -> None:
        self.pts.append(packet.pts)
        self.dts.append(packet.dts)
        self.durations.append(max(0, packet.duration or 0))
        self.key.append(packet.is_keyframe)
        self.shown.append(not packet.is_discard)
        self.whole.append(not packet.is_corrupt)

    def ticks(self, count: int, fallback: int) -> tuple[bool, Ticks, Ticks]:
        """Whether the file states times for all packets, and their pts and dts."""
        pairs = list(zip(self.pts[:count], self.dts, strict=False))
        if all(pts is not None or dts is not None for pts, dts in pairs):
            pts_ticks = [dts if pts is None else pts for pts, dts in pairs]
            dts_ticks = [pts if dts is None else dts for pts, dts in pairs]
            return True, np.array(pts_ticks, np.int64), np.array(dts_ticks, np.int64)
        steps = [duration or fallback for duration in self.durations[: count - 1]]
        counted = np.concatenate(([0], np.cumsum(steps, dtype=np.int64)))
        return False, counted, counted


def scan(
    container: av.container.InputContainer, stream: av.VideoStream, deadline: Deadline
) -> PacketColumns | None:
    """Read all packets of a stream; None if it has none.

    A file that breaks off is read up to the break.

    Raises:
        DecodeTimeout: the deadline passed.
    """
    rows = _Rows()
    broken = False
    try:
        for number, packet in enumerate(packets_of(container, stream)):
            if number % _PACKETS_PER_CHECK == 0:
                deadline.check()
            rows.add(packet)
    except av.error.FFmpegError:
        broken = True
    count = len(rows.whole)
    while count and not rows.whole[count - 1]:
        count -= 1  # cut off in mid-picture: decoders would make up the rest
    if not count:
        return None
    stamped, pts, dts = rows.ticks(count, frame_ticks(stream))
    return PacketColumns(
        pts=pts,
        dts=dts,
        key=np.array(rows.key[:count], np.bool_),
        shown=np.array(rows.shown[:count], np.bool_),
        duration=rows.durations.__getitem__,
        stamped=stamped,
        broken=broken or count < len(rows.whole) or _promised_more(container, stream, pts),
    )


def _promised_more(
    container: av.container.InputContainer, stream: av.VideoStream, pts: Ticks
) -> bool:
    """Whether the file says of itself that it holds more than was read."""
    if "mp4" in container.format.name:
        table = stream.index_entries[-_LAST_ENTRIES:]
        return any(entry.pos + entry.size > container.size for entry in table)
    if container.format.name == "avi":
        return stream.frames > len(pts) * _CLAIM_SLACK + 2
    stated = _seconds(stream.metadata.get("DURATION", ""))
    read = float(int(pts.max()) * (stream.time_base or 0))
    return stated is not None and stated > read * _CLAIM_SLACK + 0.5


def _seconds(text: str) -> float | None:
    try:
        return parse_time(text)
    except ValueError:
        return None
