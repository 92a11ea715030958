"""An MCP server on a transport: this process's stdin and stdout, or HTTP on an address."""

from __future__ import annotations

import socket
import sys

import anyio
import uvicorn
from mcp.server import Server
from mcp.server.stdio import stdio_server

from eva_graph.errors import InvalidRequest

_LOOPBACK = ("127.0.0.1", "localhost", "::1")


def serve_stdio(server: Server) -> None:
    """Serve one client until it closes its end; stdout carries the protocol alone."""
    anyio.run(_stdio, server)


def serve_http(server: Server, host: str, port: int) -> None:
    """Serve clients at `http://host:port/mcp` until a signal ends it; 0 takes any free port.

    On loopback, requests under foreign host names or origins are refused, so that no page in a
    browser reaches it. The address is told on stderr.

    Raises:
        InvalidRequest: the address cannot be listened on.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((host, port))
            listener.listen()  # before the address is told: who reads it may connect at once
        except (OSError, OverflowError) as error:
            raise InvalidRequest(f"cannot listen on {host}:{port}: {error}") from error
        if host not in _LOOPBACK:
            print(f"whoever reaches {host}:{port} can look at the videos", file=sys.stderr)
        shown = f"[{host}]" if ":" in host else host
        print(f"http://{shown}:{listener.getsockname()[1]}/mcp", file=sys.stderr, flush=True)
        app = server.streamable_http_app(host=host)
        config = uvicorn.Config(app, log_config=None, access_log=False)
        uvicorn.Server(config).run(sockets=[listener])


async def _stdio(server: Server) -> None:
    async with stdio_server() as (incoming, outgoing):
        await server.run(incoming, outgoing, server.create_initialization_options())
