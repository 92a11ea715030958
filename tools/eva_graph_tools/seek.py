"""`seek`: the one frame on screen at a time."""

from pydantic import Field

from eva_graph_tools.arguments import Resize, Time, ToolArguments, clamp_resize, clamp_time
from eva_graph_tools.info import VideoInfo
from eva_graph_tools.output import ToolOutput
from eva_graph_tools.sizing import VisualGrid
from eva_graph_tools.tool import LookSettings, Tool
from eva_graph_tools.video import Video


class SeekArguments(ToolArguments):
    """Which instant to see, and how closely."""

    time: Time = Field(description="The instant to see: seconds or [HH:]MM:SS[.mmm].")
    resize: Resize = 1.0


def clamp(arguments: SeekArguments, info: VideoInfo) -> tuple[SeekArguments, list[str]]:
    """Hold the time to the video and resize to full detail."""
    time, time_notes = clamp_time("time", arguments.time, info.duration_seconds)
    resize, resize_notes = clamp_resize(arguments.resize)
    return SeekArguments(time=time, resize=resize), [*time_notes, *resize_notes]


def fit(
    arguments: SeekArguments, info: VideoInfo, grid: VisualGrid, budget: int
) -> tuple[SeekArguments, list[str]]:
    """Reduce resize until the frame costs at most `budget`."""
    _, resize = grid.fit(info.width, info.height, 1, arguments.resize, budget)
    if resize == arguments.resize:
        return arguments, []
    note = f"reduced to resize {resize:g} to fit {budget} visual tokens"
    return arguments.model_copy(update={"resize": resize}), [note]


def estimate(arguments: SeekArguments, info: VideoInfo, grid: VisualGrid) -> int:
    """Visual tokens of the frame."""
    return grid.estimate(info.width, info.height, arguments.resize, 1)


def run(video: Video, arguments: SeekArguments, settings: LookSettings) -> ToolOutput:
    """The frame on screen at the time, at its final size."""
    size = settings.grid.final_size(video.info.width, video.info.height, arguments.resize)
    frame = video.seek(arguments.time, size=size, timeout_seconds=settings.timeout_seconds)
    return ToolOutput(frames=(frame,))


SEEK = Tool(
    name="seek",
    description="Shows the one frame that is on screen at an exact time.",
    arguments=SeekArguments,
    clamp=clamp,
    fit=fit,
    estimate=estimate,
    run=run,
)
