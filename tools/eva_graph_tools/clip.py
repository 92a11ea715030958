"""`clip`: a range as a video file of its own, and a few small pictures of it.

Packets are copied, so the file starts at a key frame and its real bounds are told; a source whose
packets cannot be copied is encoded again. A policy cannot fill a disk with it: a clip lasts at most
`MAX_CLIP_SECONDS`, has at most `MAX_CLIP_BYTES`, is named for its video and range, so that asking
again replaces it, and the clips in one folder have at most `MAX_FOLDER_BYTES` together.
"""

import tempfile
from functools import cache
from pathlib import Path
from typing import Annotated

from pydantic import Field, WithJsonSchema

from eva_graph_tools.arguments import (
    Time,
    ToolArguments,
    clamp_nframes,
    clamp_range,
    clamp_resize,
)
from eva_graph_tools.cutting.request import Cut
from eva_graph_tools.deadline import Deadline
from eva_graph_tools.errors import CannotCopy, ToolError
from eva_graph_tools.info import VideoInfo
from eva_graph_tools.output import Artifact, ToolOutput
from eva_graph_tools.sizing import VisualGrid
from eva_graph_tools.timecode import format_seconds
from eva_graph_tools.tool import LookSettings, Tool
from eva_graph_tools.video import Video

MAX_CLIP_SECONDS = 600.0
MAX_CLIP_BYTES = 512 * 1024**2
MAX_FOLDER_BYTES = 4 * 1024**3
MAX_FRAMES = 4
_SMALL_SIDE_PIXELS = 224
_IN_MP4 = {"h264", "hevc", "av1", "vp9", "mpeg4"}
_MEDIA_TYPES = {".mp4": "video/mp4", ".mkv": "video/x-matroska"}


class ClipArguments(ToolArguments):
    """Which range to cut out, and how much of it to show."""

    start_time: Time = Field(description="Start of the clip: seconds or [HH:]MM:SS[.mmm].")
    end_time: Time = Field(description="End of the clip: seconds or [HH:]MM:SS[.mmm].")
    nframes: int = Field(
        default=MAX_FRAMES, ge=1, description="How many pictures of it to show, at most 4."
    )
    resize: Annotated[
        float | None,
        Field(gt=0, description="Scale factor on both sides of them; left out, they are small."),
        WithJsonSchema({"type": "number", "exclusiveMinimum": 0, "maximum": 1}),
    ] = None


def clamp(arguments: ClipArguments, info: VideoInfo) -> tuple[ClipArguments, list[str]]:
    """Hold the range to the video and to the longest clip there may be.

    Raises:
        InvalidArguments: the range is empty or outside the video.
    """
    start, end, notes = clamp_range(
        "clip", arguments.start_time, arguments.end_time, info.duration_seconds
    )
    if end - start > MAX_CLIP_SECONDS:
        end = start + MAX_CLIP_SECONDS
        notes.append(
            f"end_time was clamped to {format_seconds(end)}, a clip has at most "
            f"{MAX_CLIP_SECONDS:g} seconds"
        )
    nframes, nframes_notes = clamp_nframes(arguments.nframes, info.frame_count)
    if nframes > MAX_FRAMES:
        nframes, nframes_notes = MAX_FRAMES, [f"nframes was clamped to {MAX_FRAMES}"]
    small = min(1.0, _SMALL_SIDE_PIXELS / min(info.width, info.height))
    resize, resize_notes = clamp_resize(arguments.resize or small)
    applied = ClipArguments(start_time=start, end_time=end, nframes=nframes, resize=resize)
    return applied, [*notes, *nframes_notes, *resize_notes]


def fit(
    arguments: ClipArguments, info: VideoInfo, grid: VisualGrid, budget: int
) -> tuple[ClipArguments, list[str]]:
    """Reduce nframes and resize until the pictures cost at most `budget`."""
    asked = arguments.nframes, arguments.resize or 1.0
    nframes, resize = grid.fit(info.width, info.height, *asked, budget)
    if (nframes, resize) == asked:
        return arguments, []
    frames = "1 frame" if nframes == 1 else f"{nframes} frames"
    note = f"reduced to {frames} at resize {resize:g} to fit {budget} visual tokens"
    return arguments.model_copy(update={"nframes": nframes, "resize": resize}), [note]


def estimate(arguments: ClipArguments, info: VideoInfo, grid: VisualGrid) -> int:
    """Visual tokens of the pictures."""
    return grid.estimate(info.width, info.height, arguments.resize or 1.0, arguments.nframes)


def run(video: Video, arguments: ClipArguments, settings: LookSettings) -> ToolOutput:
    """Cut the clip and take its pictures, spread over its real bounds."""
    deadline = Deadline.after(settings.timeout_seconds)
    made = _cut(video, arguments, settings.artifacts or _temporary_folder(), deadline)
    start, end = max(0.0, made.start_seconds), min(made.end_seconds, video.info.duration_seconds)
    width, height = video.info.width, video.info.height
    try:
        frames = video.frame_select(
            start,
            end,
            nframes=arguments.nframes,
            size=settings.grid.final_size(width, height, arguments.resize or 1.0),
            timeout_seconds=deadline.left(),
        )
    except ToolError:
        made.path.unlink(missing_ok=True)  # a call that failed has made nothing
        raise
    kind, size = made.path.suffix[1:], made.path.stat().st_size / 1e6
    text = (
        f"clip of {format_seconds(start)} to {format_seconds(end)} seconds written "
        f"({kind}, {size:.1f} MB)"
    )
    artifact = Artifact(
        path=made.path,
        media_type=_MEDIA_TYPES[made.path.suffix],
        start_seconds=start,
        end_seconds=end,
    )
    return ToolOutput(frames=tuple(frames), text=text, artifacts=(artifact,))


def _cut(video: Video, arguments: ClipArguments, folder: Path, deadline: Deadline) -> Cut:
    start, end = arguments.start_time, arguments.end_time
    name = f"clip-{video.video_id[-12:]}-{round(start * 1000)}-{round(end * 1000)}"
    copied = folder / f"{name}{'.mp4' if video.info.codec in _IN_MP4 else '.mkv'}"
    room = min(MAX_CLIP_BYTES, MAX_FOLDER_BYTES - _bytes_of_clips(folder))
    if room <= 0:
        raise ToolError("clip: no more clips can be kept, those that there are fill their folder")
    try:
        return video.cut(
            start,
            end,
            copied,
            overwrite=True,
            max_bytes=room,
            timeout_seconds=deadline.left(),
        )
    except CannotCopy:
        return video.cut(
            start,
            end,
            folder / f"{name}.mp4",
            exact=True,
            overwrite=True,
            max_bytes=room,
            timeout_seconds=deadline.left(),
        )


def _bytes_of_clips(folder: Path) -> int:
    folder.mkdir(parents=True, exist_ok=True)
    return sum(path.stat().st_size for path in folder.glob("clip-*") if path.is_file())


@cache
def _temporary_folder() -> Path:
    """One folder per process, that nobody else can write to."""
    return Path(tempfile.mkdtemp(prefix="eva-graph-clips-"))


CLIP = Tool(
    name="clip",
    description="Cuts a range out of the video into a file for the user and shows a few small "
    "frames of it. The clip may start a little earlier, at a key frame; its real bounds are told.",
    arguments=ClipArguments,
    clamp=clamp,
    fit=fit,
    estimate=estimate,
    run=run,
    text_tokens=40,
)
