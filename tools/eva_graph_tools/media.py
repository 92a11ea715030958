"""Opening video files: only local regular files, only known containers, one clear line otherwise.

FFmpeg is given a plain file address, so a name can be neither a protocol nor a pattern, and formats
that point to other files or to the network (playlists, concatenations, device inputs) are not read.
Reading goes on past packets that are broken (`unbroken`).
"""

import hashlib
import stat
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import av
from av.stream import Discard, Disposition

from eva_graph_tools.deadline import NEVER, Deadline
from eva_graph_tools.errors import UnsupportedMedia

Source = tuple[av.container.InputContainer, av.VideoStream]

_CONTAINERS = (
    "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,avi,mpegts,mpeg,mpegvideo,ogg,flv,gif,asf,mxf,nut,ivf,"
    "rm,h264,hevc,m4v,mjpeg,yuv4mpegpipe,apng,wtv"
)
# A picture of a gigabyte is easily stated in a file of a kilobyte; this is twice 8K.
_MAX_PIXELS = 8192 * 8192
_ID_BYTES = 1024 * 1024


def regular_file(path: Path) -> Path:
    """The path itself, if it names a readable file that is not empty.

    Raises:
        UnsupportedMedia: missing, a directory or special file, empty or not readable.
    """
    try:
        status = path.stat()
    except (OSError, ValueError) as error:
        raise UnsupportedMedia(f"{path}: no such video file, check the path") from error
    if not stat.S_ISREG(status.st_mode):
        raise UnsupportedMedia(f"{path}: not a regular file, give the path of a video file")
    if status.st_size == 0:
        raise UnsupportedMedia(f"{path.name}: the file is empty")
    return path


def content_id(path: Path) -> str:
    """Identity of a video file by content: "sha256:" over its size, first and last MiB."""
    size = path.stat().st_size
    digest = hashlib.sha256(size.to_bytes(8, "big"))
    with path.open("rb") as file:
        digest.update(file.read(_ID_BYTES))
        file.seek(max(0, size - _ID_BYTES))
        digest.update(file.read(_ID_BYTES))
    return f"sha256:{digest.hexdigest()}"


def open_source(path: Path, deadline: Deadline = NEVER) -> Source:
    """Open a video file for decoding with one thread; other streams are not read.

    Raises:
        DecodeTimeout: the deadline passed.
        UnsupportedMedia: not a video, no video stream, or a codec that is not supported.
    """
    try:
        container = av.open(
            f"file:{path.absolute()}",
            options={
                "protocol_whitelist": "file",
                "format_whitelist": _CONTAINERS,
                "max_pixels": str(_MAX_PIXELS),
            },
            metadata_errors="replace",  # names and comments may hold any bytes
            timeout=(deadline.remaining_seconds, None),
        )
    except av.error.PermissionError as error:
        raise UnsupportedMedia(f"{path.name}: the file may not be read") from error
    except av.error.FFmpegError as error:
        deadline.check()
        raise UnsupportedMedia(
            f"{path.name}: not a video file that can be read ({error.strerror})"
        ) from error
    try:
        return container, _video_stream(container, path)
    except UnsupportedMedia:
        container.close()
        raise


def _video_stream(container: av.container.InputContainer, path: Path) -> av.VideoStream:
    streams = [
        stream
        for stream in container.streams.video
        if not stream.disposition & Disposition.attached_pic
    ]
    if not streams:
        raise UnsupportedMedia(f"{path.name}: the file has no video stream")
    chosen = streams[0]
    if chosen.codec_context is None:
        raise UnsupportedMedia(f"{path.name}: its video codec is not supported")
    if chosen.width * chosen.height > _MAX_PIXELS:
        raise UnsupportedMedia(
            f"{path.name}: {chosen.width}x{chosen.height} pixels are more than can be decoded"
        )
    for stream in container.streams:
        if stream is not chosen:
            stream.discard = Discard.all
    # Sizes may change on the way: the decoder itself refuses what is too large.
    chosen.codec_context.options = {"max_pixels": str(_MAX_PIXELS)}
    # One thread per decoder: calls run side by side on decoders of their own.
    chosen.thread_count = 1
    return chosen


def unbroken(packets: Iterable["av.Packet[Any]"]) -> Iterator["av.Packet[Any]"]:
    """Packets that hold something, up to the end of the file or to where it breaks."""
    try:
        yield from (packet for packet in packets if packet.size)
    except (av.error.FFmpegError, IndexError):
        return  # PyAV's IndexError: the demuxer found more streams on the way, at the end
