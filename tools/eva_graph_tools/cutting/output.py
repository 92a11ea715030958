"""The file that a cut is written to: its container, and which codecs go into it."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import av
from av.container import OutputContainer

from eva_graph_tools.errors import CannotCopy, InvalidArguments, StoreError, ToolError

_FORMATS = {".mp4": "mp4", ".m4v": "mp4", ".mov": "mov", ".mkv": "matroska", ".webm": "webm"}


def format_of(path: Path) -> str:
    """FFmpeg's name of the container that a suffix means.

    Raises:
        InvalidArguments: a suffix that cuts are not written to.
    """
    name = _FORMATS.get(path.suffix.lower())
    if name is None:
        raise InvalidArguments(
            f"{path.name}: cuts are written to {', '.join(_FORMATS)}; .mkv takes every codec"
        )
    return name


@contextmanager
def open_output(
    path: Path, format_name: str, refused: type[ToolError]
) -> Iterator[OutputContainer]:
    """A container to write to; its index comes first, so that it plays before it is loaded.

    Raises:
        StoreError: the file cannot be written.
        ToolError: of the class `refused`, where what would be written makes no sense.
    """
    options = {"avoid_negative_ts": "disabled"}
    if format_name in ("mp4", "mov"):
        options["movflags"] = "+faststart"
    try:
        with av.open(
            f"file:{path.absolute()}", "w", format=format_name, options=options
        ) as container:
            yield container
    except av.error.FFmpegError as error:
        if isinstance(error, OSError):
            raise StoreError(f"the cut cannot be written ({error.strerror})") from error
        line = f"what the video holds there cannot be cut out ({error.strerror})"
        raise refused(f"{line}: choose another range") from error


def codec_of(stream: av.stream.Stream) -> str:
    """FFmpeg's name of a stream's codec; "" where it is unknown."""
    context: Any = stream.codec_context
    return context.codec.canonical_name if context is not None else ""


def takes(output: OutputContainer, stream: av.stream.Stream) -> bool:
    """Whether a stream can be copied into the container."""
    return codec_of(stream) in output.supported_codecs


def begin(output: OutputContainer) -> None:
    """Write the header, all streams being added.

    Raises:
        CannotCopy: the container refuses one of them after all.
    """
    try:
        output.start_encoding()
    except OSError:
        raise  # the file, not its content
    except av.error.FFmpegError as error:
        raise misfit(output, "the video's streams do") from error


def misfit(output: OutputContainer, what: str) -> CannotCopy:
    """A container does not take what would be copied into it."""
    ways_out = {"matroska": "cut it with exact=True", "webm": "give a path that ends in .mkv"}
    way_out = ways_out.get(output.format.name, "give a path that ends in .mkv, or exact=True")
    return CannotCopy(f"{what} not go into {output.format.name}: {way_out}")


def too_large(max_bytes: int) -> InvalidArguments:
    """A cut has grown over its bound."""
    return InvalidArguments(f"the cut is larger than {max_bytes >> 20} MiB: choose a shorter range")
