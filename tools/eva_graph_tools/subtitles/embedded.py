"""The operation that reads a text track inside a video file.

Packets are taken apart here, no subtitle decoder runs.
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import av
from av.stream import Discard

from eva_graph_tools.deadline import Deadline
from eva_graph_tools.media import unbroken
from eva_graph_tools.reader import Reply
from eva_graph_tools.subtitles.cues import MAX_CUES
from eva_graph_tools.subtitles.labels import codec_of, text_streams

if TYPE_CHECKING:
    from eva_graph_tools.operations import Media  # which registers this module's operation

_STYLED = {"ass", "ssa"}
_ASS_FIELDS_BEFORE_TEXT = 8
_SHOWN_SECONDS = 3.0  # where a track does not say how long a line is shown
_MAX_PACKET_BYTES = 64 * 1024


def subtitles(media: "Media", arguments: Mapping[str, Any], deadline: Deadline) -> Reply:
    """Read a text track. Argument: `track`, its place among `track_labels`.

    Values: `cues` are [start, end, text] on the container's clock, as they come, and `styled`
    tells whether their text is that of an ASS dialogue.
    """
    container, video = media.reopen(deadline)
    cues: list[list[float | str]] = []
    with container:
        stream = text_streams(container)[arguments["track"]]
        codec = codec_of(stream)
        video.discard, stream.discard = Discard.all, Discard.default
        for packet in unbroken(container.demux(stream)):
            deadline.check()
            if packet.pts is None or len(cues) >= MAX_CUES:
                continue
            start = float(packet.pts * packet.time_base)
            shown = float((packet.duration or 0) * packet.time_base) or _SHOWN_SECONDS
            cues.append([start, start + shown, _text(packet, codec)])
    return Reply(values={"cues": cues, "styled": codec in _STYLED})


def _text(packet: "av.Packet[Any]", codec: str) -> str:
    data = bytes(packet)[:_MAX_PACKET_BYTES]
    if codec == "mov_text":
        length = int.from_bytes(data[:2], "big")
        data = data[2 : 2 + length]
        encoding = "utf-16" if data[:2] in (b"\xfe\xff", b"\xff\xfe") else "utf-8"
        return data.decode(encoding, "replace")
    text = data.decode("utf-8", "replace")
    return text.split(",", _ASS_FIELDS_BEFORE_TEXT)[-1] if codec in _STYLED else text
