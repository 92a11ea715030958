"""The video tools over MCP: typed by the registry's schemas, plus the name of the video.

    served = VideoFolder("videos", use=open_video).tools()
    server = tool_server(served)            # an `mcp.server.Server`, for any transport

A video is named by its path relative to the folder, nothing else is ever opened. Frames are image
content, each after its label; what goes wrong is one line of text in a result marked as an error.
Not loaded by `import eva_graph_tools`; it needs the MCP SDK (extra `mcp`).
"""

import base64
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from functools import partial
from importlib.metadata import version
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, TypeAlias
from urllib.parse import quote

import anyio.to_thread
import mcp_types as types
from mcp.server import Server, ServerRequestContext
from pydantic import Field

from eva_graph_tools.arguments import ToolArguments, json_schema, read_arguments
from eva_graph_tools.errors import EvaGraphError, InvalidArguments, UnsupportedMedia
from eva_graph_tools.media_root import within
from eva_graph_tools.output import Artifact
from eva_graph_tools.registry import TOOLS, execute, offered_tools, prepare
from eva_graph_tools.sizing import VisualGrid
from eva_graph_tools.store import FrameStore
from eva_graph_tools.timecode import format_seconds, labels
from eva_graph_tools.tool import Tool
from eva_graph_tools.video import Video
from eva_graph_tools.video_listing import list_videos

UseVideo: TypeAlias = Callable[[str], AbstractContextManager[Video]]
"""Opens the video of an absolute path for as long as the context lasts. Raises `ToolError`."""

Content: TypeAlias = list[types.ContentBlock]
Progress: TypeAlias = Callable[[str], Awaitable[None]]
"""Tells the client what is being done, if it asked to be told."""

MAX_EMBEDDED_BYTES = 8 * 1024**2
_CONCURRENT_CALLS = 4
_VIDEO_ARGUMENT = {
    "type": "string",
    "description": "The video: its path as list_videos names it.",
}


class _Listing(ToolArguments):
    contains: str = Field(default="", description="Only paths that hold this text.")


class _OneVideo(ToolArguments):
    video: str = Field(description=_VIDEO_ARGUMENT["description"])


@dataclass(frozen=True, slots=True, kw_only=True)
class ServedTool:
    """One tool as a client sees it.

    Attributes:
        name, description: for the client's model.
        input_schema: JSON schema of the arguments.
        run: what answers a call. Raises `EvaGraphError`, whose line the client gets.
    """

    name: str
    description: str
    input_schema: dict[str, Any]
    run: Callable[[Mapping[str, Any], Progress], Awaitable[Content]]


@dataclass(frozen=True, slots=True, kw_only=True)
class VideoFolder:
    """The videos below a folder and how they are looked at.

    Attributes:
        root: the folder.
        use: opens a video.
        store: where frames are kept.
        grid: patches that frames' sizes follow and that price them.
        look_budget: visual tokens that a call may cost; a larger one is reduced and says so.
        timeout_seconds: how long a call may take.
    """

    root: Path
    use: UseVideo
    store: FrameStore
    grid: VisualGrid = field(default_factory=VisualGrid)
    look_budget: int = 12_000
    timeout_seconds: float = 60.0

    def path(self, name: object) -> Path:
        """The file of a video's name. Raises `InvalidArguments`, `UnsupportedMedia`."""
        return media_path(name, self.root)

    def tools(self) -> list[ServedTool]:
        """`list_videos`, `video_info` and the registry's tools."""
        limiter = anyio.CapacityLimiter(_CONCURRENT_CALLS)
        return [
            ServedTool(
                name="list_videos",
                description="Lists the videos that can be looked at.",
                input_schema=json_schema(_Listing),
                run=_threaded(self._list, limiter),
            ),
            ServedTool(
                name="video_info",
                description="A video's length, its size and the tools that fit it. Ask this first.",
                input_schema=json_schema(_OneVideo),
                run=_threaded(self._info, limiter),
            ),
            *(_served(tool, self, limiter) for tool in TOOLS.values()),
        ]

    def look(self, tool: Tool, arguments: Mapping[str, Any]) -> Content:
        """Run a registry tool on the video that the arguments name. Raises `ToolError`."""
        asked = {name: value for name, value in arguments.items() if name != "video"}
        path = self.path(arguments.get("video"))
        with self.use(str(path)) as video, TemporaryDirectory() as made:
            offered = offered_tools(TOOLS, video.info)
            if tool.name not in offered:
                raise InvalidArguments(
                    f"{tool.name} finds nothing in this video, use {', '.join(offered)}"
                )
            look = prepare(
                tool.name, asked, info=video.info, grid=self.grid, look_budget=self.look_budget
            )
            output = execute(
                video, look, timeout_seconds=self.timeout_seconds, artifacts=Path(made)
            )
            refs = [self.store.put(frame, video.video_id) for frame in output.frames]
            head = "\n".join([*look.notes, *([output.text] if output.text else [])])
            content: Content = [text(head)] if head or not refs else []
            times = labels([ref.pts_seconds for ref in refs])
            for label, ref in zip(times, refs, strict=True):
                content += [text(f"[{label}]"), _image(self.store.read(ref), ref.media_type)]
            return [*content, *(_embedded(one) for one in output.artifacts)]

    def _list(self, arguments: Mapping[str, Any]) -> Content:
        asked = read_arguments(_Listing, "list_videos", arguments)
        listing = list_videos(self.root, contains=asked.contains)
        lines = [f"{file.name} ({file.size_bytes:,} bytes)" for file in listing.files]
        if not listing.complete:
            lines.append("There are more: narrow it with `contains`.")
        return [text("\n".join(lines) or "no videos")]

    def _info(self, arguments: Mapping[str, Any]) -> Content:
        asked = read_arguments(_OneVideo, "video_info", arguments)
        with self.use(str(self.path(asked.video))) as video:
            info = video.info
            length = f"{format_seconds(info.duration_seconds)} seconds"
            picture = f"{info.width}x{info.height} pixels, {info.average_fps:.3g} frames a second"
            lines = [
                f"{length}, {picture}, {info.codec}",
                f"tools: {', '.join(offered_tools(TOOLS, info))}",
                *(f"subtitles: {track}" for track in info.transcripts),
            ]
            if info.damaged_after_seconds is not None:
                end = format_seconds(info.damaged_after_seconds)
                lines.append(f"the file is damaged: nothing after {end} seconds can be shown")
            return [text("\n".join(lines))]


def media_path(name: object, root: Path) -> Path:
    """The file below a folder that a client names by its relative path.

    Raises:
        InvalidArguments: no text.
        UnsupportedMedia: it is absolute, holds `..`, is an address, a link that leaves the folder,
            or there is no such file: one refusal for all.
    """
    if not isinstance(name, str) or not name:
        raise InvalidArguments("video must be the path of a video as list_videos names it")
    if Path(name).is_absolute():
        raise UnsupportedMedia(f"{name:.120}: no such file in the media folder")
    return within(name, root)


def tool_server(tools: Sequence[ServedTool]) -> Server:
    """A server of tools; whoever runs it chooses the transport."""
    by_name = {tool.name: tool for tool in tools}
    listed = [
        types.Tool(name=one.name, description=one.description, input_schema=one.input_schema)
        for one in tools
    ]

    async def on_list_tools(
        context: ServerRequestContext, params: types.PaginatedRequestParams | None
    ) -> types.ListToolsResult:
        return types.ListToolsResult(tools=listed)

    async def on_call_tool(
        context: ServerRequestContext, params: types.CallToolRequestParams
    ) -> types.CallToolResult:
        tool = by_name.get(params.name)
        if tool is None:
            return _failed(f"there is no tool {params.name!r:.80}, use {', '.join(by_name)}")
        try:
            return types.CallToolResult(
                content=await tool.run(params.arguments or {}, _progress(context))
            )
        except EvaGraphError as error:
            return _failed(str(error))

    return Server(
        "eva-graph",
        version=version("eva-graph"),
        on_list_tools=on_list_tools,
        on_call_tool=on_call_tool,
    )


def text(words: str) -> types.TextContent:
    """A block of text, never an empty one."""
    return types.TextContent(text=words or "nothing to show")


def _served(tool: Tool, folder: VideoFolder, limiter: anyio.CapacityLimiter) -> ServedTool:
    schema = tool.json_schema()
    return ServedTool(
        name=tool.name,
        description=tool.description,
        input_schema={
            **schema,
            "properties": {"video": _VIDEO_ARGUMENT, **schema["properties"]},
            "required": ["video", *schema["required"]],
        },
        run=_threaded(partial(folder.look, tool), limiter),
    )


def _threaded(
    call: Callable[[Mapping[str, Any]], Content], limiter: anyio.CapacityLimiter
) -> Callable[[Mapping[str, Any], Progress], Awaitable[Content]]:
    async def run(arguments: Mapping[str, Any], progress: Progress) -> Content:
        # A client that goes away or cancels waits for no decoder; the look's own time ends it.
        return await anyio.to_thread.run_sync(
            call, arguments, limiter=limiter, abandon_on_cancel=True
        )

    return run


def _progress(context: ServerRequestContext) -> Progress:
    told = 0

    async def progress(message: str) -> None:
        nonlocal told
        told += 1
        await context.session.report_progress(told, message=message)

    return progress


def _failed(line: str) -> types.CallToolResult:
    return types.CallToolResult(content=[text(line)], is_error=True)


def _image(data: bytes, media_type: str) -> types.ImageContent:
    return types.ImageContent(data=base64.b64encode(data).decode(), mime_type=media_type)


def _embedded(made: Artifact) -> types.ContentBlock:
    size = made.path.stat().st_size
    if size > MAX_EMBEDDED_BYTES:
        return text(f"the file has {size:,} bytes, too many to send: ask for a shorter range")
    return types.EmbeddedResource(
        resource=types.BlobResourceContents(
            uri=f"clip:///{quote(made.path.name)}",
            mime_type=made.media_type,
            blob=base64.b64encode(made.path.read_bytes()).decode(),
        )
    )
