"""`zoom`: a region of the picture at the source's full detail.

The box is held to the picture and grown, around its centre, to whole patches of the policy's
processor in source pixels. So the region keeps its aspect, is never smaller than what the processor
can read, and reaches the policy pixel for pixel unless the budget shrinks it.
"""

import math
from typing import Annotated, Any, ClassVar

from pydantic import BeforeValidator, Field, WithJsonSchema

from eva_graph_tools.arguments import (
    Resize,
    Time,
    ToolArguments,
    clamp_nframes,
    clamp_range,
    clamp_resize,
    clamp_time,
)
from eva_graph_tools.frames import Box
from eva_graph_tools.info import VideoInfo
from eva_graph_tools.output import ToolOutput
from eva_graph_tools.sizing import VisualGrid
from eva_graph_tools.timecode import format_seconds
from eva_graph_tools.tool import LookSettings, Tool
from eva_graph_tools.video import Video

_SLIGHTLY_OUTSIDE = 0.5
_TOLERANCE = 1e-3
_PIXEL_SLACK = 1e-6


def _read_box(value: object) -> object:
    numbers = value if isinstance(value, (list, tuple)) else ()
    if len(numbers) != 4 or not all(type(number) in (int, float) for number in numbers):
        raise ValueError("give four numbers [x0, y0, x1, y1], fractions of the picture from 0 to 1")
    if not all(-_SLIGHTLY_OUTSIDE <= n <= 1 + _SLIGHTLY_OUTSIDE for n in numbers):
        raise ValueError(
            "the numbers are fractions of the picture from 0 to 1, not pixels or thousandths; "
            "divide x by the picture's width and y by its height"
        )
    return tuple(float(number) for number in numbers)


ZoomBox = Annotated[
    Box,
    BeforeValidator(_read_box),
    WithJsonSchema(
        {
            "type": "array",
            "items": {"type": "number", "minimum": 0, "maximum": 1},
            "minItems": 4,
            "maxItems": 4,
        }
    ),
]
"""(x0, y0, x1, y1) as fractions of the displayed picture, from its upper left corner."""


class ZoomArguments(ToolArguments):
    """Which region to see, and at which instant or over which range."""

    forms: ClassVar = (("time",), ("start_time", "end_time", "nframes"))

    box: ZoomBox = Field(
        description="Region to see: [x0, y0, x1, y1], left, top, right and bottom as fractions of "
        "the picture from 0 to 1; [0.5, 0, 1, 0.5] is its upper right quarter."
    )
    time: Time | None = Field(
        default=None, description="One instant to see: seconds or [HH:]MM:SS[.mmm]."
    )
    start_time: Time | None = Field(
        default=None, description="In place of time: start of a range; needs end_time and nframes."
    )
    end_time: Time | None = Field(default=None, description="End of the range.")
    nframes: int | None = Field(
        default=None, ge=1, description="How many frames of the range to show."
    )
    resize: Resize = 1.0


def clamp(arguments: ZoomArguments, info: VideoInfo) -> tuple[ZoomArguments, list[str]]:
    """Hold the times to the video and the box to the picture; corners may come in any order.

    Raises:
        InvalidArguments: the range is empty or outside the video.
    """
    times, time_notes = _clamp_times(arguments, info)
    box, box_notes = _within_picture(arguments.box)
    resize, resize_notes = clamp_resize(arguments.resize)
    applied = ZoomArguments(box=box, resize=resize, **times)
    return applied, [*time_notes, *box_notes, *resize_notes]


def fit(
    arguments: ZoomArguments, info: VideoInfo, grid: VisualGrid, budget: int
) -> tuple[ZoomArguments, list[str]]:
    """Grow the box to whole patches, then reduce nframes and resize to the budget."""
    box = whole_patches(arguments.box, info, grid)
    width, height = _pixels(box, info)
    nframes, resize = grid.fit(width, height, arguments.nframes or 1, arguments.resize, budget)
    update: dict[str, object] = {"box": box, "resize": resize}
    notes: list[str] = []
    if not _same(box, arguments.box):
        notes.append(f"box was grown to {_written(box)}, {width}x{height} pixels of the picture")
    if arguments.nframes is not None:
        update["nframes"] = nframes
    if (nframes, resize) != (arguments.nframes or 1, arguments.resize):
        frames = "1 frame" if nframes == 1 else f"{nframes} frames"
        notes.append(f"reduced to {frames} at resize {resize:g} to fit {budget} visual tokens")
    return arguments.model_copy(update=update), notes


def estimate(arguments: ZoomArguments, info: VideoInfo, grid: VisualGrid) -> int:
    """Visual tokens of the look."""
    width, height = _pixels(whole_patches(arguments.box, info, grid), info)
    return grid.estimate(width, height, arguments.resize, arguments.nframes or 1)


def run(video: Video, arguments: ZoomArguments, settings: LookSettings) -> ToolOutput:
    """The region at its final size, of the frames on screen at the exact times."""
    box = whole_patches(arguments.box, video.info, settings.grid)
    size = settings.grid.final_size(*_pixels(box, video.info), arguments.resize)
    timeout = settings.timeout_seconds
    if arguments.time is not None:
        frames = [video.zoom(arguments.time, box, size=size, timeout_seconds=timeout)]
    else:
        frames = video.frame_select(
            arguments.start_time or 0.0,
            arguments.end_time or 0.0,
            nframes=arguments.nframes or 1,
            size=size,
            mode="exact",
            box=box,
            timeout_seconds=timeout,
        )
    return ToolOutput(frames=tuple(frames))


def whole_patches(box: Box, info: VideoInfo, grid: VisualGrid) -> Box:
    """The box grown to whole patches in source pixels, as far as the picture reaches.

    Both sides get at least as many patches as the smallest picture that the processor leaves
    alone. It grows around its centre, is moved inside the picture and starts on a whole pixel.
    """
    patch = grid.patch_pixels
    least = math.ceil(math.sqrt(grid.min_pixels) / patch) * patch
    x0, x1 = _grown(box[0], box[2], info.width, patch, least)
    y0, y1 = _grown(box[1], box[3], info.height, patch, least)
    return x0, y0, x1, y1


def _grown(start: float, end: float, side: int, patch: int, least: int) -> tuple[float, float]:
    patches = math.ceil((end - start) * side / patch - _PIXEL_SLACK)
    length = min(max(patches * patch, least), side)
    first = round((start + end) / 2 * side - length / 2)
    first = min(max(first, 0), side - length)
    return first / side, (first + length) / side


def _clamp_times(arguments: ZoomArguments, info: VideoInfo) -> tuple[dict[str, Any], list[str]]:
    start, end, nframes = arguments.start_time, arguments.end_time, arguments.nframes
    if start is None or end is None or nframes is None:
        time, notes = clamp_time("time", arguments.time or 0.0, info.duration_seconds)
        return {"time": time}, notes
    start, end, notes = clamp_range("zoom", start, end, info.duration_seconds, instant=nframes == 1)
    nframes, nframes_notes = clamp_nframes(nframes, info.frame_count)
    return {"start_time": start, "end_time": end, "nframes": nframes}, [*notes, *nframes_notes]


def _within_picture(box: Box) -> tuple[Box, list[str]]:
    held = [min(max(number, 0.0), 1.0) for number in box]
    (x0, x1), (y0, y1) = sorted(held[0::2]), sorted(held[1::2])
    if _same((x0, y0, x1, y1), box):
        return (x0, y0, x1, y1), []
    return (x0, y0, x1, y1), [f"box {_written(box)} was read as {_written((x0, y0, x1, y1))}"]


def _pixels(box: Box, info: VideoInfo) -> tuple[int, int]:
    width, height = (box[2] - box[0]) * info.width, (box[3] - box[1]) * info.height
    return max(1, round(width)), max(1, round(height))


def _same(one: Box, other: Box) -> bool:
    return all(abs(a - b) <= _TOLERANCE for a, b in zip(one, other, strict=True))


def _written(box: Box) -> str:
    return f"[{', '.join(format_seconds(number) for number in box)}]"


ZOOM = Tool(
    name="zoom",
    description="Shows a region of the picture at full detail, at one exact instant (time) or at "
    "several of a range (start_time, end_time, nframes). Use it to read text or see small things.",
    arguments=ZoomArguments,
    clamp=clamp,
    fit=fit,
    estimate=estimate,
    run=run,
)
