"""`PacketColumns`: what is read of a stream's packets, and the one way to a `FrameIndex`."""

from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction

import av
import numpy as np
import numpy.typing as npt

from eva_graph_tools.index import FrameIndex, Ticks

_FALLBACK_FRAME_SECONDS = Fraction(1, 25)
# Formats that keep no presentation times: ascending ones are those of the decode order.
_WITHOUT_TIMES = frozenset({"avi", "h264", "hevc", "m4v", "mpegvideo"})


@dataclass(frozen=True, slots=True, kw_only=True)
class PacketColumns:
    """One value per packet, in decode order; at least one packet.

    Attributes:
        pts, dts: ticks.
        key, shown: whether it starts decoding, whether its picture is displayed.
        duration: ticks that a packet, named by its number, stays on screen; 0 where unknown.
        stamped: the file states the times; else they were counted.
        broken: the file breaks off after the last packet.
    """

    pts: Ticks
    dts: Ticks
    key: npt.NDArray[np.bool_]
    shown: npt.NDArray[np.bool_]
    duration: Callable[[int], int]
    stamped: bool = True
    broken: bool = False


def assemble(
    container: av.container.InputContainer, stream: av.VideoStream, columns: PacketColumns
) -> FrameIndex | None:
    """The index of a stream; None if no packet of it is shown."""
    shown = np.flatnonzero(columns.shown)
    if not len(shown) or stream.time_base is None:
        return None
    order = shown[np.argsort(columns.pts[shown], kind="stable")]  # nearly sorted: a pass or two
    shown_pts = columns.pts[order]
    distinct = np.concatenate(([True], shown_pts[1:] != shown_pts[:-1]))
    order, shown_pts = order[distinct], shown_pts[distinct]
    key = columns.key.copy()
    key[0] = True
    return FrameIndex(
        time_base=stream.time_base,
        pts=columns.pts,
        dts=columns.dts,
        key=key,
        order=order,
        shown_pts=shown_pts,
        last_duration=_last_duration(columns.duration(int(order[-1])), shown_pts, stream),
        counted=_counted(container, stream, columns.pts),
        stamped=columns.stamped,
        broken=columns.broken,
    )


def frame_ticks(stream: av.VideoStream) -> int:
    """How long a frame is likely to stay on screen, by the header; at least one tick."""
    rate = stream.average_rate or stream.guessed_rate
    seconds = 1 / rate if rate else _FALLBACK_FRAME_SECONDS
    return max(1, round(seconds / (stream.time_base or 1)))


def _counted(container: av.container.InputContainer, stream: av.VideoStream, pts: Ticks) -> bool:
    bare = container.format.name in _WITHOUT_TIMES
    return bare and bool(stream.codec_context.has_b_frames) and bool(np.all(np.diff(pts) > 0))


def _last_duration(stated: int, shown_pts: Ticks, stream: av.VideoStream) -> int:
    if stated > 0:
        return stated
    if len(shown_pts) > 1:
        return max(1, int(np.median(np.diff(shown_pts))))
    return frame_ticks(stream)
