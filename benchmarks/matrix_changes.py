"""How the derived files of the exactness matrix are made from encoded ones."""

import random
from collections.abc import Callable
from pathlib import Path

import av

_CUT_SECONDS = 3.5
_KEPT_FRACTION = 0.6
_TS_PACKET = 188


def cut(source: Path, target: Path) -> None:
    """What `-ss 3.5 -c copy` makes: from the key frame before on; an edit list hides what leads."""
    _copy_from(source, target, start_seconds=_CUT_SECONDS, seek=True)


def below_zero(source: Path, target: Path) -> None:
    """All packets, those of the first second at times before zero."""
    _copy_from(source, target, start_seconds=1.0, seek=False)


def _copy_from(source: Path, target: Path, *, start_seconds: float, seek: bool) -> None:
    edits = target.suffix in {".mp4", ".mov"}
    options = {"avoid_negative_ts": "disabled"} if edits else {}
    with av.open(str(source)) as given, av.open(str(target), "w", options=options) as taken:
        streams = {s.index: taken.add_stream_from_template(s) for s in given.streams}
        start = (given.start_time or 0) / av.time_base + start_seconds
        if seek:
            given.seek(round(start * av.time_base))
        for packet in given.demux():
            if packet.pts is None or packet.dts is None or packet.time_base is None:
                continue
            packet.pts -= round(start / packet.time_base)
            packet.dts -= round(start / packet.time_base)
            packet.stream = streams[packet.stream_index]
            if isinstance(packet.stream, av.VideoStream) or packet.pts >= 0:
                taken.mux(packet)


def with_second_video(source: Path, target: Path) -> None:
    """The same stream twice, the second one delayed by half a second."""
    with av.open(str(source)) as given, av.open(str(target), "w") as taken:
        video = given.streams.video[0]
        first, second = (taken.add_stream_from_template(video) for _ in range(2))
        for stream, delay_seconds in ((first, 0.0), (second, 0.5)):
            given.seek(0)
            for packet in given.demux(video):
                if packet.pts is None or packet.dts is None or packet.time_base is None:
                    continue
                packet.pts += round(delay_seconds / packet.time_base)
                packet.dts += round(delay_seconds / packet.time_base)
                packet.stream = stream
                taken.mux(packet)


def cut_off(source: Path, target: Path) -> None:
    """The first 60 % of the bytes."""
    data = source.read_bytes()
    target.write_bytes(data[: int(len(data) * _KEPT_FRACTION)])


def without_head(source: Path, target: Path) -> None:
    """A transport stream that begins in the middle of a picture, as a recording does."""
    data = source.read_bytes()
    start = int(len(data) * (1 - _KEPT_FRACTION)) // _TS_PACKET * _TS_PACKET
    target.write_bytes(data[start:])


def bit_flips(source: Path, target: Path) -> None:
    """Twelve bits of the media data turned over, the tables left whole."""
    data, dice = bytearray(source.read_bytes()), random.Random(1)
    media = data.find(b"mdat") + 8
    for _ in range(12):
        data[dice.randrange(media, len(data))] ^= 1 << dice.randrange(8)
    target.write_bytes(data)


def lost_packets(source: Path, target: Path) -> None:
    """A transport stream of which 8 packets never arrived."""
    data, dice = bytearray(source.read_bytes()), random.Random(1)
    count = len(data) // _TS_PACKET
    for number in sorted(dice.sample(range(count // 5, count - 20), 8), reverse=True):
        del data[number * _TS_PACKET : (number + 1) * _TS_PACKET]
    target.write_bytes(data)


CHANGES: dict[str, Callable[[Path, Path], None]] = {
    change.__name__: change
    for change in (
        cut,
        below_zero,
        with_second_video,
        cut_off,
        without_head,
        bit_flips,
        lost_packets,
    )
}
