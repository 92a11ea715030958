"""The tools on offer, and the two steps of a call: `prepare` (pure), then `execute` (decodes)."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from eva_graph_tools.arguments import ToolArguments, read_arguments
from eva_graph_tools.clip import CLIP
from eva_graph_tools.errors import InvalidArguments
from eva_graph_tools.frame_select import FRAME_SELECT
from eva_graph_tools.info import VideoInfo
from eva_graph_tools.output import ToolOutput
from eva_graph_tools.scene_detect import SCENE_DETECT
from eva_graph_tools.seek import SEEK
from eva_graph_tools.sizing import VisualGrid
from eva_graph_tools.timecode import format_seconds
from eva_graph_tools.tool import LookSettings, Tool
from eva_graph_tools.transcript import TRANSCRIPT
from eva_graph_tools.video import Video
from eva_graph_tools.zoom import ZOOM

TOOLS: dict[str, Tool] = {
    tool.name: tool for tool in (FRAME_SELECT, SEEK, ZOOM, CLIP, SCENE_DETECT, TRANSCRIPT)
}
"""Every tool by name."""


def offered_tools(tools: Mapping[str, Tool], info: VideoInfo) -> dict[str, Tool]:
    """Those tools that a video can be looked at with; a policy is told of no other."""
    return {name: tool for name, tool in tools.items() if tool.offered(info)}


@dataclass(frozen=True, slots=True, kw_only=True)
class PreparedLook:
    """A call that is ready to run.

    Attributes:
        tool: the tool called.
        requested: the arguments as the policy wrote them.
        arguments: the arguments that will run, clamped and within the budget.
        estimated_visual_tokens: what the look costs, by the tools' one rule.
        notes: what differs from the request, one short sentence each; empty if nothing does.
        grid: the patches that final sizes follow.
    """

    tool: Tool
    requested: Mapping[str, Any]
    arguments: ToolArguments
    estimated_visual_tokens: int
    notes: tuple[str, ...] = ()
    grid: VisualGrid = field(default_factory=VisualGrid)

    @property
    def applied(self) -> dict[str, Any]:
        """The arguments that will run, as JSON."""
        return self.arguments.model_dump(mode="json", exclude_none=True)


def prepare(
    tool_name: str,
    arguments: Mapping[str, Any],
    *,
    info: VideoInfo,
    grid: VisualGrid,
    look_budget: int,
    tools: Mapping[str, Tool] = TOOLS,
) -> PreparedLook:
    """Check a call, clamp it to the video and fit it to a budget in visual tokens. Pure.

    Raises:
        InvalidArguments: one line for the policy: no such tool, arguments that cannot be used,
            or a budget that pays for nothing.
    """
    tool = tools.get(tool_name)
    if tool is None:
        raise InvalidArguments(f"there is no tool {tool_name!r:.80}, use {', '.join(tools)}")
    asked = read_arguments(tool.arguments, tool.name, arguments)
    clamped, clamp_notes = tool.clamp(asked, info)
    clamp_notes += _damage_notes(asked, info)
    applied, fit_notes = tool.fit(clamped, info, grid, look_budget)
    return PreparedLook(
        tool=tool,
        requested=arguments,
        arguments=applied,
        estimated_visual_tokens=tool.estimate(applied, info, grid),
        notes=(*clamp_notes, *fit_notes),
        grid=grid,
    )


def _damage_notes(asked: ToolArguments, info: VideoInfo) -> list[str]:
    """Why there is nothing after the end, where the file says that there should be."""
    end = info.damaged_after_seconds
    times = (getattr(asked, name, None) for name in ("time", "end_time"))
    if end is None or not any(time is not None and time > end for time in times):
        return []
    return [f"the file is damaged: nothing after {format_seconds(end)} seconds can be shown"]


def execute(
    video: Video,
    look: PreparedLook,
    *,
    timeout_seconds: float | None = None,
    artifacts: Path | None = None,
) -> ToolOutput:
    """Run a prepared look: its frames in order of time, at their final size.

    Args:
        video: the video to look at.
        look: what `prepare` returned.
        timeout_seconds: how long it may take; None is unbounded.
        artifacts: folder for files that a tool makes; None is the system's temporary folder.

    Raises:
        DecodeTimeout: it took longer.
        ToolError: the frames cannot be decoded.
    """
    settings = LookSettings(grid=look.grid, timeout_seconds=timeout_seconds, artifacts=artifacts)
    return look.tool.run(video, look.arguments, settings)
