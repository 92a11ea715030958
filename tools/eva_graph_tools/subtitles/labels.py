"""The text tracks inside an open video file, and what tracks are called."""

from typing import Any

from av.container import InputContainer

from eva_graph_tools.subtitles.languages import language_tag

_TEXT_CODECS = {"mov_text", "subrip", "text", "ass", "ssa", "webvtt"}
_MAX_TRACKS = 64


def track_labels(container: InputContainer) -> tuple[str, ...]:
    """What the text tracks of a file are called, in its order: "en (subrip)", "(ass)"."""
    return tuple(
        label(language_tag(stream.language), codec_of(stream)) for stream in text_streams(container)
    )


def text_streams(container: InputContainer) -> list[Any]:
    """The subtitle streams whose packets hold text."""
    streams = [stream for stream in container.streams.subtitles if codec_of(stream) in _TEXT_CODECS]
    return streams[:_MAX_TRACKS]


def codec_of(stream: Any) -> str:
    """FFmpeg's name of a subtitle stream's codec; "" where it is unknown."""
    return stream.codec_context.codec.canonical_name if stream.codec_context is not None else ""


def label(language: str | None, kind: str) -> str:
    """What a track is called."""
    return f"{language} ({kind})" if language else f"({kind})"
