"""The video tools as LangChain tools, for other people's agents.

    agent_tools = video_tools(video)
    ToolNode(agent_tools)

A tool's message holds its frames as `image_url` blocks with data URLs, each after its label; its
artifact holds what stands for them (`FrameRef.to_json`), so an agent that prunes old pictures can
show them again from the store. Wrong arguments and failed looks become messages with status
"error". Not loaded by `import eva_graph_tools`; it needs langchain-core.
"""

import base64
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from langchain_core.tools import BaseTool, StructuredTool, ToolException

from eva_graph_tools.errors import InvalidArguments, ToolError
from eva_graph_tools.frames import FrameRef
from eva_graph_tools.output import ToolOutput
from eva_graph_tools.registry import TOOLS, PreparedLook, execute, offered_tools, prepare
from eva_graph_tools.sizing import VisualGrid
from eva_graph_tools.store import FrameStore
from eva_graph_tools.timecode import labels
from eva_graph_tools.tool import Tool
from eva_graph_tools.video import Video

_DEFAULT_GRID = VisualGrid()


def video_tools(
    video: Video,
    *,
    store: FrameStore | None = None,
    tools: Iterable[str] | None = None,
    grid: VisualGrid = _DEFAULT_GRID,
    look_budget: int = 12_000,
    timeout_seconds: float | None = None,
    artifacts: Path | None = None,
) -> list[BaseTool]:
    """The tools that a video can be looked at with, bound to it: no argument is ever a path.

    Args:
        video: open for as long as the tools are used.
        store: where frames are kept; None is the user's bounded cache.
        tools: names of those wanted, in their order; None is every one that fits the video.
        grid: the patches of the model's image processor, which price frames.
        look_budget: visual tokens that a call may cost; a larger one is reduced and says so.
        timeout_seconds: how long a call may take; None is unbounded.
        artifacts: folder for clips; None is a temporary one.

    Raises:
        InvalidArguments: a tool that does not exist or that the video has no use for.
    """
    offered = offered_tools(TOOLS, video.info)
    names = list(offered) if tools is None else list(tools)
    for name in names:
        if name not in offered:
            raise InvalidArguments(f"there is no tool {name!r:.80}, use {', '.join(offered)}")
    bound = [
        _Bound(
            tool=offered[name],
            video=video,
            store=FrameStore.cache() if store is None else store,
            grid=grid,
            look_budget=look_budget,
            timeout_seconds=timeout_seconds,
            artifacts=artifacts,
        )
        for name in names
    ]
    return [_structured(one) for one in bound]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Bound:
    """A tool with all that a call of it needs beside its arguments."""

    tool: Tool
    video: Video
    store: FrameStore
    grid: VisualGrid
    look_budget: int
    timeout_seconds: float | None
    artifacts: Path | None

    def look(self, **arguments: Any) -> tuple[list[dict[str, Any]], dict[str, Any]]:
        """Content and artifact of the tool's message. Raises `ToolException`."""
        try:
            look = prepare(
                self.tool.name,
                arguments,
                info=self.video.info,
                grid=self.grid,
                look_budget=self.look_budget,
            )
            output = execute(
                self.video, look, timeout_seconds=self.timeout_seconds, artifacts=self.artifacts
            )
        except ToolError as error:
            raise ToolException(str(error)) from error
        return _message(look, output, self.store, self.video.video_id)


def _structured(bound: _Bound) -> BaseTool:
    tool = bound.tool
    return StructuredTool.from_function(
        bound.look,
        name=tool.name,
        description=tool.description,
        # A plain schema is told to the model and not checked here: `prepare` does that, and
        # its errors are written for the model to mend.
        args_schema={"title": tool.name, "description": tool.description, **tool.json_schema()},
        response_format="content_and_artifact",
        handle_tool_error=True,
    )


def _message(
    look: PreparedLook, output: ToolOutput, store: FrameStore, video_id: str
) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    refs = [store.put(frame, video_id) for frame in output.frames]
    head = "\n".join([*look.notes, *([output.text] if output.text else [])])
    content = [_text(head)] if head or not refs else []
    times = labels([ref.pts_seconds for ref in refs])
    for label, ref in zip(times, refs, strict=True):
        content += [_text(f"[{label}]"), _image(ref, store.read(ref))]
    artifact = {
        "tool": look.tool.name,
        "applied": look.applied,
        "notes": list(look.notes),
        "frames": [ref.to_json() for ref in refs],
        "files": [
            {
                "path": str(made.path),
                "media_type": made.media_type,
                "start_seconds": made.start_seconds,
                "end_seconds": made.end_seconds,
            }
            for made in output.artifacts
        ],
    }
    return content, artifact


def _text(text: str) -> dict[str, Any]:
    return {"type": "text", "text": text or "nothing to show"}


def _image(ref: FrameRef, data: bytes) -> dict[str, Any]:
    url = f"data:{ref.media_type};base64,{base64.b64encode(data).decode()}"
    return {"type": "image_url", "image_url": {"url": url}}
