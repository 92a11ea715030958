"""Audio on its way into a cut: copied, or encoded again where the container does not take it."""

from collections.abc import Iterator, Sequence
from contextlib import suppress
from fractions import Fraction
from typing import Any

import av
from av.container import InputContainer, OutputContainer
from av.stream import Discard

from eva_graph_tools.cutting.output import takes
from eva_graph_tools.media import unbroken

_OPUS_RATE = 48_000
_AAC_RATES = (8000, 11_025, 12_000, 16_000, 22_050, 24_000, 32_000, 44_100, 48_000)


class Sound:
    """One audio stream of a source, cut at packet borders and shifted to the cut's own zero."""

    def __init__(
        self,
        source: av.AudioStream,
        output: OutputContainer,
        start_seconds: Fraction,
        end_seconds: Fraction,
    ) -> None:
        """Times are those of the source container's clock."""
        self.source = source
        self._start, self._end = start_seconds, end_seconds
        self._copied = takes(output, source)
        self._stream = (
            output.add_stream_from_template(source) if self._copied else _encoder(source, output)
        )
        self.finished = False

    def take(self, packet: "av.Packet[Any]") -> Iterator["av.Packet[Any]"]:
        """What a packet of the source becomes in the cut."""
        at = _seconds(packet)
        if at is None:
            return
        self.finished = self.finished or at >= self._end
        if self.finished or at < self._start:
            return
        if self._copied:
            yield shifted(packet, self._stream, self._start)
        else:
            yield from self._encode(_decoded(self.source, packet))

    def flush(self) -> Iterator["av.Packet[Any]"]:
        """What an encoder still holds."""
        if not self._copied:
            yield from self._encode(_decoded(self.source, None))
            yield from self._stream.encode(None)

    def _encode(self, frames: Sequence[av.AudioFrame]) -> Iterator["av.Packet[Any]"]:
        for frame in frames:
            if frame.pts is not None and frame.time_base is not None:
                frame.pts -= round(self._start / frame.time_base)
                yield from self._stream.encode(frame)


class Sounds:
    """All audio of a source of its own, cut like `Sound`, a little at a time."""

    def __init__(
        self,
        source: InputContainer,
        output: OutputContainer,
        start_seconds: Fraction,
        end_seconds: Fraction,
    ) -> None:
        """The source is at its beginning; times are those of its clock."""
        self._start = start_seconds
        self._sounds = sounds_of(source, output, start_seconds, end_seconds)
        for stream in source.streams:
            stream.discard = Discard.default if stream.index in self._sounds else Discard.all
        with suppress(av.error.FFmpegError):  # then it is read from the beginning
            source.seek(int(start_seconds * av.time_base), backward=True)
        streams = [sound.source for sound in self._sounds.values()]
        self._packets = unbroken(source.demux(streams)) if streams else iter(())
        self._reached = Fraction(-1)
        self._ended = not streams

    def until(self, seconds: Fraction) -> Iterator["av.Packet[Any]"]:
        """What comes up to a time of the cut."""
        while not self._ended and self._reached < seconds:
            packet = next(self._packets, None)
            if packet is not None:
                at = _seconds(packet)
                self._reached = self._reached if at is None else at - self._start
                yield from self._sounds[packet.stream_index].take(packet)
            if packet is None or all(sound.finished for sound in self._sounds.values()):
                self._ended = True
                for sound in self._sounds.values():
                    yield from sound.flush()


def sounds_of(
    source: InputContainer, output: OutputContainer, start_seconds: Fraction, end_seconds: Fraction
) -> dict[int, Sound]:
    """The audio streams that can be cut, by their number in the source; unread so far."""
    return {
        stream.index: Sound(stream, output, start_seconds, end_seconds)
        for stream in source.streams.audio
        if stream.codec_context is not None
    }


def shifted(packet: "av.Packet[Any]", stream: Any, start_seconds: Fraction) -> "av.Packet[Any]":
    """A packet as one of `stream`, its times counted from `start_seconds`."""
    offset = round(start_seconds / packet.time_base)
    if packet.pts is not None:
        packet.pts -= offset
    if packet.dts is not None:
        packet.dts -= offset
    packet.stream = stream
    return packet


def _seconds(packet: "av.Packet[Any]") -> Fraction | None:
    ticks = packet.pts if packet.pts is not None else packet.dts
    return None if ticks is None else ticks * packet.time_base


def _encoder(source: av.AudioStream, output: OutputContainer) -> av.AudioStream:
    layout = "mono" if source.codec_context.channels == 1 else "stereo"
    if output.format.name == "webm":
        return output.add_stream("libopus", rate=_OPUS_RATE, layout=layout)
    rate = source.rate if source.rate in _AAC_RATES else _OPUS_RATE
    return output.add_stream("aac", rate=rate, layout=layout)


def _decoded(source: av.AudioStream, packet: "av.Packet[Any] | None") -> list[av.AudioFrame]:
    try:
        return source.codec_context.decode(packet)
    except av.error.FFmpegError:
        return []  # a damaged packet: silence until the next one
