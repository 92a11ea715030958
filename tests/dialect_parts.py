"""Values that the dialect tests put together: videos, frames and call results without any file."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from typing import Any

from eva_graph.blocks import blocks_of, frame_of
from eva_graph.dialects import CallResult, Calls, Dialect, Outcome, PreparedCall, ToolCall
from eva_graph_tools import TOOLS, FrameRef, VideoInfo, VisualGrid


def video_info(
    *,
    duration_seconds: float = 60.0,
    size: tuple[int, int] = (1280, 720),
    average_fps: float = 10.0,
    stream_duration_seconds: float | None = None,
    coded_size: tuple[int, int] | None = None,
    start_offset_seconds: float = 0.0,
) -> VideoInfo:
    """A video of these facts; coded size and header duration are the true ones unless given."""
    coded_width, coded_height = coded_size or size
    claimed = duration_seconds if stream_duration_seconds is None else stream_duration_seconds
    return VideoInfo(
        duration_seconds=duration_seconds,
        width=size[0],
        height=size[1],
        average_fps=average_fps,
        codec="h264",
        container="mp4",
        frame_count=max(1, round(duration_seconds * average_fps)),
        start_offset_seconds=start_offset_seconds,
        rotation_degrees=0,
        coded_width=coded_width,
        coded_height=coded_height,
        stream_duration_seconds=claimed,
        stream_average_fps=average_fps,
    )


def frame_ref(pts_seconds: float, size: tuple[int, int] = (28, 28)) -> FrameRef:
    """A reference to a frame that no store holds."""
    return FrameRef(
        sha256=hashlib.sha256(str(pts_seconds).encode()).hexdigest(),
        media_type="image/png",
        encoding="png",
        width=size[0],
        height=size[1],
        video_id="sha256:00",
        pts_seconds=pts_seconds,
    )


def shown(
    *pts_seconds: float,
    notes: tuple[str, ...] = (),
    clock: tuple[int, ...] | None = None,
    call_id: str = "c",
) -> CallResult:
    """A call that showed frames at these times."""
    call = ToolCall(id=call_id, tool="frame_select", arguments={})
    return CallResult(
        call=call, frames=tuple(frame_ref(at) for at in pts_seconds), notes=notes, clock=clock
    )


def failed(error: str, *, call_id: str = "c") -> CallResult:
    """A call that failed."""
    return CallResult(call=ToolCall(id=call_id, tool="frame_select", arguments={}), error=error)


def parts_of(message: Any) -> list[str | float]:
    """The parts of a message: texts as they are, a frame as its time."""
    found: list[str | float] = []
    for block in blocks_of(message):
        frame = frame_of(block)
        found.append(block["text"] if frame is None else frame.pts_seconds)
    return found


def block(*arguments: dict[str, Any], tool: str = "frame_select") -> str:
    """A `<tool_call>` block in the canonical form."""
    lines = [json.dumps({"tool": tool, "arguments": each}) for each in arguments]
    return f"<tool_call>{chr(10).join(lines)}</tool_call>"


def arguments_of(outcome: Outcome) -> list[tuple[str, dict[str, Any]]]:
    """Tool and arguments of every call of an outcome that has some."""
    assert isinstance(outcome, Calls), outcome
    return [(call["tool"], call["arguments"]) for call in outcome.calls]


def put_within_budget(
    dialect: Dialect,
    arguments: dict[str, Any],
    *,
    tool: str = "frame_select",
    info: VideoInfo | None = None,
    look_budget: int = 12_000,
    offered: Sequence[str] = ("frame_select", "seek"),
) -> PreparedCall:
    """`dialect.prepare` of one call on a one-minute 720p video."""
    return dialect.prepare(
        ToolCall(id="c", tool=tool, arguments=arguments),
        tools={name: TOOLS[name] for name in offered},
        info=info or video_info(),
        grid=VisualGrid(),
        look_budget=look_budget,
    )
