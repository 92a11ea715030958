"""Videos with a text track inside, made from others by copying their pictures."""

from collections.abc import Mapping
from fractions import Fraction
from pathlib import Path
from typing import Any

import av

SHOWN_SECONDS = 0.5
MILLISECOND = Fraction(1, 1000)


def with_text_track(
    path: Path, source: Path, codec: str, lines: Mapping[float, str], *, language: str = "eng"
) -> Path:
    """A copy of a video with lines of text, each shown for half a second from its time on."""
    with av.open(str(source)) as given, av.open(str(path), "w") as taken:
        pictures = taken.add_stream_from_template(given.streams.video[0])
        track = taken.add_mux_stream(codec, 1000)
        track.metadata["language"] = language
        pending = sorted(lines.items())
        for picture in [*given.demux(video=0), None]:
            until = float("inf")
            if picture is not None:
                if picture.dts is None:
                    continue
                until = float(picture.dts * picture.time_base)
            while pending and pending[0][0] <= until:
                taken.mux(_line(track, codec, *pending.pop(0)))
            if picture is not None:
                picture.stream = pictures
                taken.mux(picture)
    return path


def _line(track: Any, codec: str, at: float, text: str) -> Any:
    """A packet as the codec frames a line."""
    data = text.encode()
    if codec == "mov_text":
        data = len(data).to_bytes(2, "big") + data
    if codec == "ass":
        data = f"{round(at * 100)},0,Default,,0,0,0,,{{\\b1}}{text}".encode()
    packet = av.Packet(data)
    packet.stream, packet.time_base = track, MILLISECOND
    packet.pts = packet.dts = round(at / MILLISECOND)
    packet.duration = round(SHOWN_SECONDS / MILLISECOND)
    return packet
