"""`eva-graph mcp`: the video tools and the agent for MCP clients."""

from __future__ import annotations

import math
from importlib import import_module
from pathlib import Path
from typing import Annotated

import typer

from eva_graph.commands.stopping import if_stopped
from eva_graph.errors import InvalidRequest, MissingExtra


def mcp(
    video_root: Annotated[Path, typer.Argument(help="Folder whose videos may be looked at.")],
    policy: Annotated[
        str | None, typer.Option(help="Server URL or model folder; the embedded nano if absent.")
    ] = None,
    model: Annotated[str | None, typer.Option(help="Model name at the server.")] = None,
    dialect: Annotated[str, typer.Option(help="eva, native, or auto: ask the server.")] = "eva",
    instructions: Annotated[
        bool, typer.Option(help="Teach a general model the format in the system text.")
    ] = False,
    tools_only: Annotated[
        bool, typer.Option("--tools-only", help="Serve the tools without `ask`: no policy.")
    ] = False,
    look_budget: Annotated[int, typer.Option(help="Visual tokens of one call.")] = 12_000,
    look_timeout: Annotated[float, typer.Option(help="Seconds that one look may take.")] = 60.0,
    ask_timeout: Annotated[float, typer.Option(help="Seconds that a question may take.")] = 600.0,
    http: Annotated[
        bool, typer.Option("--http", help="Serve streamable HTTP in place of stdio.")
    ] = False,
    host: Annotated[str, typer.Option(help="Address for --http.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="Port for --http; 0 is any free one.")] = 8848,
    isolated: Annotated[
        bool, typer.Option(help="Read files in worker processes with limits.")
    ] = True,
) -> None:
    """Serve the videos of a folder over MCP: the tools, and `ask` for the whole agent.

    eva-graph mcp ~/Videos --policy http://localhost:8000/v1
    """
    if_stopped("the same command serves again")
    _require_sdk()
    if not video_root.is_dir():
        raise InvalidRequest(f"{video_root}: no such folder, give the one that holds the videos")
    if not 0 < ask_timeout < math.inf:
        raise InvalidRequest(f"--ask-timeout must be above 0, not {ask_timeout:g}")

    from eva_graph.agent import VideoAgent
    from eva_graph.mcp_agent import AskTool
    from eva_graph.mcp_transports import serve_http, serve_stdio
    from eva_graph.state import Context
    from eva_graph.videos import OpenVideos
    from eva_graph_tools import FrameStore
    from eva_graph_tools.mcp import VideoFolder, tool_server

    # Checks the numbers, for the tools too.
    context = Context(look_budget=look_budget, look_timeout_seconds=look_timeout)
    root, frames = video_root.resolve(), FrameStore.cache()
    videos = OpenVideos(
        max_idle=4, isolated=isolated, media_root=root, timeout_seconds=look_timeout
    )
    folder = VideoFolder(
        root=root,
        use=videos.use,
        store=frames,
        look_budget=look_budget,
        timeout_seconds=look_timeout,
    )
    tools = folder.tools()
    if not tools_only:
        agent = VideoAgent(
            policy,
            model=model,
            dialect=dialect,
            instructions=instructions,
            context=context,
            frames=frames,
            videos=videos,
        )
        tools.append(AskTool(agent=agent, root=root, timeout_seconds=ask_timeout).served())
    server = tool_server(tools)
    if http:
        serve_http(server, host, port)
    else:
        serve_stdio(server)


def _require_sdk() -> None:
    try:
        import_module("mcp.server")
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] not in ("mcp", "mcp_types"):
            raise
        raise MissingExtra('the MCP SDK is not installed: pip install "eva-graph[mcp]"') from error
