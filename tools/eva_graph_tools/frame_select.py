"""`frame_select`: frames spread over a time range, EVA's own action."""

from pydantic import Field

from eva_graph_tools.arguments import (
    Resize,
    Time,
    ToolArguments,
    clamp_nframes,
    clamp_range,
    clamp_resize,
)
from eva_graph_tools.info import VideoInfo
from eva_graph_tools.output import ToolOutput
from eva_graph_tools.sizing import VisualGrid
from eva_graph_tools.tool import LookSettings, Tool
from eva_graph_tools.video import Video


class FrameSelectArguments(ToolArguments):
    """Which range to watch, how densely and how closely."""

    start_time: Time = Field(description="Start of the range: seconds or [HH:]MM:SS[.mmm].")
    end_time: Time = Field(description="End of the range: seconds or [HH:]MM:SS[.mmm].")
    nframes: int = Field(ge=1, description="How many frames to show, spread over the range.")
    resize: Resize = 1.0


def clamp(
    arguments: FrameSelectArguments, info: VideoInfo
) -> tuple[FrameSelectArguments, list[str]]:
    """Hold the range to the video, nframes to its frame count and resize to full detail.

    Raises:
        InvalidArguments: the range is empty or outside the video. One instant is a range for
            a single frame.
    """
    start, end, range_notes = clamp_range(
        "frame_select",
        arguments.start_time,
        arguments.end_time,
        info.duration_seconds,
        instant=arguments.nframes == 1,
    )
    nframes, nframes_notes = clamp_nframes(arguments.nframes, info.frame_count)
    resize, resize_notes = clamp_resize(arguments.resize)
    applied = FrameSelectArguments(start_time=start, end_time=end, nframes=nframes, resize=resize)
    return applied, [*range_notes, *resize_notes, *nframes_notes]


def fit(
    arguments: FrameSelectArguments, info: VideoInfo, grid: VisualGrid, budget: int
) -> tuple[FrameSelectArguments, list[str]]:
    """Reduce nframes and resize by `VisualGrid.fit` until the look costs at most `budget`."""
    nframes, resize = grid.fit(info.width, info.height, arguments.nframes, arguments.resize, budget)
    if (nframes, resize) == (arguments.nframes, arguments.resize):
        return arguments, []
    frames = "1 frame" if nframes == 1 else f"{nframes} frames"
    note = f"reduced to {frames} at resize {resize:g} to fit {budget} visual tokens"
    return arguments.model_copy(update={"nframes": nframes, "resize": resize}), [note]


def estimate(arguments: FrameSelectArguments, info: VideoInfo, grid: VisualGrid) -> int:
    """Visual tokens of the look."""
    return grid.estimate(info.width, info.height, arguments.resize, arguments.nframes)


def run(video: Video, arguments: FrameSelectArguments, settings: LookSettings) -> ToolOutput:
    """The frames at their final size, by the rule of `Video.frame_select`."""
    frames = video.frame_select(
        arguments.start_time,
        arguments.end_time,
        nframes=arguments.nframes,
        size=settings.grid.final_size(video.info.width, video.info.height, arguments.resize),
        timeout_seconds=settings.timeout_seconds,
    )
    return ToolOutput(frames=tuple(frames))


FRAME_SELECT = Tool(
    name="frame_select",
    description="Shows frames spread evenly over a time range of the video, in order of time. "
    "Use few frames at a small resize to scan, more frames or a larger resize to look closely.",
    arguments=FrameSelectArguments,
    clamp=clamp,
    fit=fit,
    estimate=estimate,
    run=run,
)
