"""The least that a look can cost: libavcodec alone on the packets that must be decoded.

For each wanted frame that is every packet from its key frame to itself, without the pictures that
nothing refers to and nobody wants. The packets are read into memory first, so what is measured is
decoding only.
"""

import time
from collections.abc import Sequence
from dataclasses import dataclass

import av
import numpy as np
from looks import Look

_LEAD_SECONDS = 15.0  # further than key frames lie apart


@dataclass(frozen=True, slots=True, kw_only=True)
class Floor:
    """What the packets of a job cost.

    Attributes:
        packets: from each key frame to the last wanted frame after it.
        all_seconds: CPU seconds to decode them all.
        needed_seconds: CPU seconds without the pictures that can be dropped.
    """

    packets: int
    all_seconds: float
    needed_seconds: float


@dataclass(slots=True)
class _Group:
    """Packets from a key frame on, in decode order, and which of them are wanted."""

    packets: list["av.Packet[av.VideoStream]"]
    wanted: set[int]


def measure(path: str, looks: Sequence[Look]) -> Floor:
    """Decode what a job needs, once with and once without the pictures that can be dropped."""
    with av.open(path) as container:
        stream = container.streams.video[0]
        times = sorted({t for look in looks for t in look.times_seconds()})
        groups = _groups(container, stream, times)
        context = stream.codec_context
        context.thread_count = 1
        everything = _decode(context, groups, drop=False)
        needed = _decode(context, groups, drop=True)
    packets = sum(len(group.packets) for group in groups)
    return Floor(packets=packets, all_seconds=everything, needed_seconds=needed)


def _groups(
    container: av.container.InputContainer, stream: av.VideoStream, times: Sequence[float]
) -> list[_Group]:
    base = float(stream.time_base or 0)
    groups: dict[int, _Group] = {}
    for seconds in times:
        container.seek(int(seconds / base), stream=stream)
        packets = [next(container.demux(stream))]
        for packet in container.demux(stream):
            if packet.dts is None or packet.dts * base > seconds + _LEAD_SECONDS:
                break
            packets.append(packet)
        pts = np.array([packet.pts for packet in packets]) * base
        shown = int(np.flatnonzero(pts == pts[pts <= seconds + 1e-9].max())[0])
        group = groups.setdefault(packets[0].pts or 0, _Group([], set()))
        group.wanted.add(shown)
        last = max(group.wanted)
        group.packets = packets[: last + 1] if len(packets) > last else group.packets
    return list(groups.values())


def _decode(context: av.VideoCodecContext, groups: Sequence[_Group], *, drop: bool) -> float:
    started = time.process_time()
    for group in groups:
        for number, packet in enumerate(group.packets):
            context.skip_frame = "NONREF" if drop and number not in group.wanted else "DEFAULT"
            context.decode(packet)
        context.decode(None)
        context.flush_buffers()
    return time.process_time() - started
