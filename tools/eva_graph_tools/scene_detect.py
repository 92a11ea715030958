"""`scene_detect`: where scenes begin and end, and a small frame of each."""

import math
from collections.abc import Sequence
from importlib.util import find_spec
from itertools import islice
from typing import Annotated

from pydantic import Field, WithJsonSchema

from eva_graph_tools.arguments import (
    Resize,
    Time,
    ToolArguments,
    clamp_nframes,
    clamp_range,
    clamp_resize,
)
from eva_graph_tools.deadline import Deadline
from eva_graph_tools.errors import DecodeError, DecodeTimeout
from eva_graph_tools.frames import Frame
from eva_graph_tools.info import VideoInfo
from eva_graph_tools.output import ToolOutput
from eva_graph_tools.scenes.finding import MOST_THRESHOLD
from eva_graph_tools.scenes.rules import DEFAULT_THRESHOLD
from eva_graph_tools.scenes.scene_list import Scene, SceneList
from eva_graph_tools.sizing import VisualGrid
from eva_graph_tools.timecode import labels
from eva_graph_tools.tool import LookSettings, Tool
from eva_graph_tools.video import Video

MAX_LINES = 60
_DEFAULT_NFRAMES = 24
_SMALL_SIDE_PIXELS = 280
_TOKENS_PER_LINE = 40  # digits may cost a token each
_FOUND = {
    "index": "where the encoder marked changes",
    "key": "by the key frames",
    "full": "by looking through the whole range",
}

Threshold = Annotated[
    float,
    Field(gt=0, le=MOST_THRESHOLD),
    WithJsonSchema({"type": "number", "exclusiveMinimum": 0, "maximum": MOST_THRESHOLD}),
]


class SceneDetectArguments(ToolArguments):
    """Which range to part into scenes, and how much of it to show."""

    start_time: Time | None = Field(
        default=None, description="Start of the range: seconds or [HH:]MM:SS[.mmm]; the start."
    )
    end_time: Time | None = Field(
        default=None, description="End of the range: seconds or [HH:]MM:SS[.mmm]; the end."
    )
    threshold: Threshold = Field(
        default=DEFAULT_THRESHOLD,
        description="How great a change begins a scene; a smaller one finds more scenes.",
    )
    nframes: int = Field(
        default=_DEFAULT_NFRAMES, ge=1, description="At most how many scenes to show a frame of."
    )
    resize: Resize | None = Field(
        default=None, description="Scale factor on both sides of the frames; small by default."
    )


def clamp(
    arguments: SceneDetectArguments, info: VideoInfo
) -> tuple[SceneDetectArguments, list[str]]:
    """Hold the range to the video; without one it is the whole video.

    Raises:
        InvalidArguments: the range is empty or outside the video.
    """
    asked_end = info.duration_seconds if arguments.end_time is None else arguments.end_time
    start, end, notes = clamp_range(
        "scene_detect", arguments.start_time or 0.0, asked_end, info.duration_seconds
    )
    nframes, _ = clamp_nframes(arguments.nframes, info.frame_count)
    resize, resize_notes = clamp_resize(_resize(arguments, info))
    update = {"start_time": start, "end_time": end, "nframes": nframes, "resize": resize}
    return arguments.model_copy(update=update), [*notes, *resize_notes]


def fit(
    arguments: SceneDetectArguments, info: VideoInfo, grid: VisualGrid, budget: int
) -> tuple[SceneDetectArguments, list[str]]:
    """Reduce how many frames are shown, and their size, until they cost at most `budget`."""
    asked = arguments.nframes, _resize(arguments, info)
    nframes, resize = grid.fit(info.width, info.height, *asked, budget)
    if (nframes, resize) == asked:
        return arguments, []
    frames = "1 frame" if nframes == 1 else f"{nframes} frames"
    note = f"reduced to at most {frames} at resize {resize:g} to fit {budget} visual tokens"
    return arguments.model_copy(update={"nframes": nframes, "resize": resize}), [note]


def estimate(arguments: SceneDetectArguments, info: VideoInfo, grid: VisualGrid) -> int:
    """Visual tokens if there are as many scenes as frames to show."""
    resize = _resize(arguments, info)
    return grid.estimate(info.width, info.height, resize, arguments.nframes)


def run(video: Video, arguments: SceneDetectArguments, settings: LookSettings) -> ToolOutput:
    """The scenes as text, and the frame in the middle of each of the longest ones."""
    deadline = Deadline.after(settings.timeout_seconds)
    scenes = video.scenes(
        arguments.start_time or 0.0,
        arguments.end_time,
        threshold=arguments.threshold,
        timeout_seconds=settings.timeout_seconds,
    )
    longest = sorted(scenes, key=lambda scene: scene.start_seconds - scene.end_seconds)
    shown = sorted(islice(longest, arguments.nframes), key=lambda scene: scene.start_seconds)
    size = settings.grid.final_size(
        video.info.width, video.info.height, _resize(arguments, video.info)
    )
    frames = _middles(video, shown, size, deadline)
    return ToolOutput(frames=frames, text=describe(scenes, len(frames)))


def describe(scenes: SceneList, shown: int) -> str:
    """The scenes as numbered lines, at most `MAX_LINES` of them, and what the frames are."""
    together = math.ceil(len(scenes) / MAX_LINES)
    groups = [scenes.scenes[at : at + together] for at in range(0, len(scenes), together)]
    edges = labels([*(group[0].start_seconds for group in groups), scenes[-1].end_seconds])
    lines = [_headline(scenes, together, shown)]
    for place, group in enumerate(groups):
        first = place * together + 1
        numbers = f"{first}" if len(group) == 1 else f"{first}–{first + len(group) - 1}"
        note = f" after a {group[0].begin}" if group[0].begin in ("fade", "dissolve") else ""
        lines.append(f"{numbers}. [{edges[place]}–{edges[place + 1]}]{note}")
    return "\n".join(lines)


def _headline(scenes: SceneList, together: int, shown: int) -> str:
    count = "1 scene" if len(scenes) == 1 else f"{len(scenes)} scenes"
    lines = f", {together} to a line" if together > 1 else ""
    longest = "the longest scene" if shown == 1 else f"the {shown} longest scenes"
    whose = "each scene" if shown == len(scenes) else longest
    frames = f"The frames show the middle of {whose}." if shown else "No frame can be decoded."
    return f"{count}, found {_FOUND[scenes.tier]}{lines}. {frames}"


def _middles(
    video: Video, scenes: Sequence[Scene], size: tuple[int, int], deadline: Deadline
) -> tuple[Frame, ...]:
    """The frames on screen half way through the scenes, as far as they can be decoded."""
    frames: dict[float, Frame] = {}
    for scene in scenes:
        try:
            frame = video.seek(scene.middle_seconds, size=size, timeout_seconds=deadline.left())
        except DecodeTimeout:
            raise
        except DecodeError:
            continue  # damaged there: the others are still worth seeing
        frames[frame.pts_seconds] = frame
    return tuple(frames[pts] for pts in sorted(frames))


def _resize(arguments: SceneDetectArguments, info: VideoInfo) -> float:
    if arguments.resize is not None:
        return arguments.resize
    return min(1.0, round(_SMALL_SIDE_PIXELS / max(info.width, info.height), 4))


def _offered(info: VideoInfo) -> bool:
    """Where PySceneDetect is installed: what a policy asks for is mostly a short range."""
    return find_spec("scenedetect") is not None


SCENE_DETECT = Tool(
    name="scene_detect",
    description="Lists the scenes of the video or of a range of it with their times, and shows a "
    "small frame of each. Use it to learn how a video is built before looking closely.",
    arguments=SceneDetectArguments,
    clamp=clamp,
    fit=fit,
    estimate=estimate,
    run=run,
    text_tokens=(MAX_LINES + 2) * _TOKENS_PER_LINE,
    offered=_offered,
)
