"""`VideoInfo`: what is known of a video without looking at it."""

from dataclasses import dataclass
from fractions import Fraction

import av

from eva_graph_tools.index import FrameIndex
from eva_graph_tools.picture import Geometry
from eva_graph_tools.subtitles.labels import track_labels


@dataclass(frozen=True, slots=True, kw_only=True)
class VideoInfo:
    """What is known of a video without looking at it.

    Attributes:
        duration_seconds: from the first frame's appearance to the last frame's end.
        width, height: pixels as displayed, after rotation and with square pixels.
        average_fps: frames shown per second.
        codec: for example "h264", "hevc", "vp9", "av1".
        container: FFmpeg's name of the format, for example "matroska,webm".
        frame_count: frames shown.
        start_offset_seconds: the first displayed frame's time on the container's own clock;
            subtract it from times of other tracks.
        rotation_degrees: clockwise turn already applied for display: 0, 90, 180 or 270.
        coded_width, coded_height: pixels as stored, before rotation and aspect.
        stream_duration_seconds: what the file's header claims for the video stream; None where it
            claims nothing, as Matroska and WebM do.
        stream_average_fps: the frame rate that FFmpeg makes out of the header and the first
            packets, which other readers count frames by; None where it makes out none.
        damaged_after_seconds: where the file breaks off, by what it says of itself: nothing after
            it can be shown. None where nothing is known to be missing.
        comment: the container's `comment` tag, empty where there is none; anybody's words.
        transcripts: what its subtitle tracks are called, "en (srt)", the preferred one first.
    """

    duration_seconds: float
    width: int
    height: int
    average_fps: float
    codec: str
    container: str
    frame_count: int
    start_offset_seconds: float
    rotation_degrees: int
    coded_width: int
    coded_height: int
    stream_duration_seconds: float | None
    stream_average_fps: float | None = None
    damaged_after_seconds: float | None = None
    comment: str = ""
    transcripts: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Header:
    """What the file's header says, read before decoding may reopen the file."""

    container: str
    codec: str
    width: int
    height: int
    duration_seconds: float | None
    average_fps: float | None
    sample_aspect_ratio: Fraction | None
    comment: str
    transcripts: tuple[str, ...]


def read_header(container: av.container.InputContainer, stream: av.VideoStream) -> Header:
    """The header's claims on a stream; what it does not claim is None."""
    duration = float((stream.duration or 0) * (stream.time_base or 0))
    return Header(
        container=container.format.name,
        codec=stream.codec_context.codec.canonical_name,
        width=stream.width,
        height=stream.height,
        duration_seconds=duration if duration > 0 else None,
        average_fps=float(stream.average_rate or 0) or None,
        sample_aspect_ratio=stream.sample_aspect_ratio,
        comment=container.metadata.get("comment", ""),
        transcripts=track_labels(container),
    )


def describe(header: Header, index: FrameIndex, geometry: Geometry) -> VideoInfo:
    """What the header, the index and the geometry say together."""
    duration = index.duration_seconds
    return VideoInfo(
        duration_seconds=duration,
        width=geometry.width,
        height=geometry.height,
        average_fps=index.frame_count / duration,
        codec=header.codec,
        container=header.container,
        frame_count=index.frame_count,
        start_offset_seconds=index.start_seconds,
        rotation_degrees=geometry.rotation_degrees,
        coded_width=header.width,
        coded_height=header.height,
        stream_duration_seconds=header.duration_seconds,
        stream_average_fps=header.average_fps,
        damaged_after_seconds=duration if index.broken else None,
        comment=header.comment,
        transcripts=header.transcripts,
    )
