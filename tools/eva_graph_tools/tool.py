"""What every video tool is to the agent: one value with pure steps around one decoding step.

A call goes through `clamp` (to the video), `fit` (to the budget) and `estimate`, which are pure and
need only `VideoInfo`; `run` alone touches the file.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from eva_graph_tools.arguments import ToolArguments, json_schema
from eva_graph_tools.info import VideoInfo
from eva_graph_tools.output import ToolOutput
from eva_graph_tools.sizing import VisualGrid
from eva_graph_tools.video import Video

Adjusted = tuple[Any, list[str]]
"""Arguments after a step, of the tool's own model, and notes on what the step changed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LookSettings:
    """What a run of a tool may use, beside its arguments.

    Attributes:
        grid: the patches that final sizes follow.
        timeout_seconds: how long the look may take; None is unbounded.
        artifacts: folder for files that a tool makes; None is the system's temporary folder.
    """

    grid: VisualGrid = field(default_factory=VisualGrid)
    timeout_seconds: float | None = None
    artifacts: Path | None = None


def always(info: VideoInfo) -> bool:
    """For tools that every video can be looked at with."""
    return True


@dataclass(frozen=True, slots=True, kw_only=True)
class Tool:
    """A video tool.

    Attributes:
        name: as the policy writes it.
        description: one or two sentences for the policy.
        arguments: the model of its arguments; the functions below take its instances.
        clamp: arguments held to what the video has. Raises `InvalidArguments` where nothing
            meaningful is left.
        fit: arguments reduced until they cost at most a number of visual tokens. Raises
            `InvalidArguments` where nothing fits.
        estimate: visual tokens that the arguments cost at most; exactly, if the range holds as
            many frames as asked for.
        run: decode the frames at their final size. Raises `ToolError`.
        text_tokens: at most how many tokens of text, labels aside, `run` writes.
        offered: whether a video can be looked at with it at all; the policy is told of no other.
    """

    name: str
    description: str
    arguments: type[ToolArguments]
    clamp: Callable[[Any, VideoInfo], Adjusted]
    fit: Callable[[Any, VideoInfo, VisualGrid, int], Adjusted]
    estimate: Callable[[Any, VideoInfo, VisualGrid], int]
    run: Callable[[Video, Any, LookSettings], ToolOutput]
    text_tokens: int = 0
    offered: Callable[[VideoInfo], bool] = always

    def json_schema(self) -> dict[str, Any]:
        """JSON schema of the arguments: an object with `properties` and `required`."""
        return json_schema(self.arguments)
