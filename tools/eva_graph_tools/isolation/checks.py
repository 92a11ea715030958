"""What a worker says about a video, made sure of: it parsed an untrusted file.

After these checks a lie can still be told (wrong pixels, wrong times), but none that leads this
process to an index out of range, a size nobody asked for or a type that is not expected.
"""

import dataclasses
import math
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from eva_graph_tools.index import FrameIndex
from eva_graph_tools.info import VideoInfo
from eva_graph_tools.isolation.limits import Limits
from eva_graph_tools.isolation.plain import from_plain
from eva_graph_tools.isolation.wire import Message, Nonsense
from eva_graph_tools.media import content_id
from eva_graph_tools.picture import Geometry
from eva_graph_tools.reader import Opened, Reply

_MAX_SIDE_PIXELS = 1 << 20
_MAX_TICKS = 1 << 62
_RGB = 3
_MAX_CUT_SECONDS = 1e9
_TRACK_LABEL = re.compile(r"(?:[A-Za-z0-9-]{2,24} )?\([a-z0-9_]{2,12}\)")


def read_opened(path: Path, message: Message) -> Opened:
    """What a worker says of the file it opened. Raises `Nonsense`."""
    opened = from_plain(Opened, message.header.get("opened"), message.arrays)
    # What is cached under the identity must not be another video's.
    _require(opened.video_id == _identity(path), "a content identity")
    _check_index(opened.index)
    _check_info(opened.info, opened.index)
    _check_tracks(opened.info.transcripts)
    _check_geometry(opened.geometry)
    return dataclasses.replace(opened, path=path)


def reply_bytes(operation: str, arguments: Mapping[str, Any], limits: Limits) -> int:
    """Bytes that the arrays of a reply may take."""
    if operation == "frames":
        width, height = arguments["size"]
        return len(arguments["wanted"]) * int(width) * int(height) * _RGB
    return limits.reply_bytes


def read_reply(
    operation: str, arguments: Mapping[str, Any], opened: Opened, message: Message
) -> Reply:
    """A worker's reply to an operation. Raises `Nonsense`."""
    values = message.header.get("values")
    if not isinstance(values, dict):
        raise Nonsense("a reply without values")
    reply = Reply(values=values, arrays=message.arrays)
    check = _REPLIES.get(operation)
    if check is not None:
        check(arguments, opened, reply)
    return reply


def _identity(path: Path) -> str:
    try:
        return content_id(path)
    except OSError as error:
        raise Nonsense("a file that is gone") from error


def _require(condition: bool, what: str) -> None:
    if not condition:
        raise Nonsense(f"{what} that cannot be")


def _check_index(index: FrameIndex) -> None:
    count, shown = len(index.pts), len(index.shown_pts)
    arrays = (index.pts, index.dts, index.key, index.order, index.shown_pts)
    _require(all(array.ndim == 1 for array in arrays), "an index")
    _require(count == len(index.dts) == len(index.key), "packets")
    _require(1 <= shown == len(index.order) <= count, "frames")
    _require(index.order.min() >= 0 and index.order.max() < count, "an order of frames")
    ticks = (index.pts, index.dts, index.shown_pts)
    _require(
        all(abs(int(edge)) < _MAX_TICKS for t in ticks for edge in (t.min(), t.max())), "times"
    )
    _require(bool(np.all(np.diff(index.shown_pts) > 0)), "an order of times")
    _require(index.time_base > 0 and 0 < index.last_duration < _MAX_TICKS, "a time base")


def _check_info(info: VideoInfo, index: FrameIndex) -> None:
    sides = (info.width, info.height, info.coded_width, info.coded_height)
    _require(all(0 < side <= _MAX_SIDE_PIXELS for side in sides), "a picture size")
    _require(info.frame_count == index.frame_count, "a number of frames")
    _require(math.isclose(info.duration_seconds, index.duration_seconds), "a duration")
    _require(info.duration_seconds > 0 and info.average_fps > 0, "a duration")
    stated = (info.stream_duration_seconds, info.stream_average_fps)
    _require(all(fact is None or 0 < fact < math.inf for fact in stated), "a header")


def _check_tracks(labels: tuple[str, ...]) -> None:
    _require(all(_TRACK_LABEL.fullmatch(label) for label in labels), "names of tracks")


def _check_geometry(geometry: Geometry) -> None:
    sides = (geometry.width, geometry.height)
    _require(all(0 < side <= _MAX_SIDE_PIXELS for side in sides), "a picture size")


def _check_frames(arguments: Mapping[str, Any], opened: Opened, reply: Reply) -> None:
    delivered, wanted = reply.values.get("delivered"), set(arguments["wanted"])
    width, height = arguments["size"]
    count = opened.index.frame_count
    if not isinstance(delivered, list) or len(delivered) != len(reply.arrays):
        raise Nonsense("frames that are not told apart")
    for pair, pixels in zip(delivered, reply.arrays, strict=True):
        match pair:
            case [int(asked), int(index)] if asked in wanted and 0 <= index < count:
                wanted.discard(asked)
            case _:
                raise Nonsense("a frame that was not asked for")
        _require(pixels.dtype == np.uint8 and pixels.shape == (height, width, _RGB), "a frame")


def _check_cut(arguments: Mapping[str, Any], opened: Opened, reply: Reply) -> None:
    match reply.values:
        case {"start_seconds": float(start), "end_seconds": float(end)}:
            _require(math.isfinite(end) and -_MAX_CUT_SECONDS < start < end, "bounds of a cut")
        case _:
            raise Nonsense("a cut without bounds")


def _check_subtitles(arguments: Mapping[str, Any], opened: Opened, reply: Reply) -> None:
    cues, styled = reply.values.get("cues"), reply.values.get("styled")
    if not isinstance(cues, list) or not isinstance(styled, bool):
        raise Nonsense("subtitles without lines")
    for cue in cues:
        match cue:
            case [float(start), float(end), str()] if math.isfinite(start + end):
                pass
            case _:
                raise Nonsense("a subtitle without times")


_REPLIES: dict[str, Callable[[Mapping[str, Any], Opened, Reply], None]] = {
    "frames": _check_frames,
    "cut": _check_cut,
    "subtitles": _check_subtitles,
}
