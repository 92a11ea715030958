"""The page's server: Gradio inside the guard, on one address, with a folder that goes with it.

No telemetry, no font or script from elsewhere. On loopback, requests under foreign host names are
refused, so that no other page in a browser reaches it.
"""

from __future__ import annotations

import os
import shutil
import socket
import sys
import tempfile
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import gradio as gr
import uvicorn
from fastapi import FastAPI
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.types import ASGIApp

from eva_graph.app.choosing import Choosing
from eva_graph.app.files import file_routes
from eva_graph.app.guard import Guard
from eva_graph.app.limits import PageLimits
from eva_graph.app.offered import Agents, Manners, Offer
from eva_graph.app.page import Handlers, build_page
from eva_graph.app.samples import MakeSample
from eva_graph.app.sessions import Sessions
from eva_graph.app.theme import head, theme
from eva_graph.errors import InvalidRequest
from eva_graph.state import Context

_LOOPBACK = ("127.0.0.1", "localhost", "::1")
_LOOPBACK_NAMES = (*_LOOPBACK, "[::1]")
_GOODBYE_SECONDS = 2
"""How long open pages may keep the server from ending; they never close their streams first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation:
    """What the operator decides."""

    offers: tuple[Offer, ...]
    media_root: Path | None = None
    manners: Manners = field(default_factory=Manners)
    limits: PageLimits = field(default_factory=PageLimits)
    context: Context = field(default_factory=Context)
    isolated: bool = True
    make_sample: MakeSample | None = None


def build_app(operation: Operation, folder: Path, *, hosts: tuple[str, ...] | None) -> ASGIApp:
    """The whole server as an ASGI application.

    Args:
        folder: its own, made here in one that is removed with it when the server ends.
        hosts: names under which it may be asked; None is any.

    Raises:
        EvaGraphError: a policy cannot be made.
    """
    uploads, own = folder / "uploads", folder / "sessions"
    uploads.mkdir(parents=True)
    own.mkdir()
    # Gradio takes both from here alone.
    os.environ["GRADIO_TEMP_DIR"] = str(uploads)
    os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"
    roots = (own,) if operation.media_root is None else (own, operation.media_root)
    agents = Agents.of(
        operation.offers,
        roots,
        manners=operation.manners,
        context=operation.context,
        isolated=operation.isolated,
    )
    sessions = Sessions(own, limit=operation.limits.sessions)
    choosing = Choosing(
        sessions_folder=own,
        uploads=uploads,
        media_root=operation.media_root,
        make_sample=operation.make_sample,
        timeout_seconds=operation.context.look_timeout_seconds,
        isolated=operation.isolated,
    )
    page = build_page(
        Handlers(
            sessions=sessions,
            choosing=choosing,
            agents=agents,
            limits=operation.limits,
            context=operation.context,
        )
    )
    server = FastAPI(lifespan=_ending(sessions, folder), openapi_url=None)
    server.include_router(file_routes(sessions))
    gr.mount_gradio_app(
        server,
        page,
        path="/",
        footer_links=[],
        run_history=False,
        allowed_paths=[],
        blocked_paths=[str(root) for root in roots],
        max_file_size=operation.limits.upload_bytes,
        show_error=False,
        ssr_mode=False,
        enable_monitoring=False,
        pwa=False,
        mcp_server=False,
        theme=theme(),
        head=head(),
    )
    # A mounted page never counts as launched, and only a launched one checks where files lie.
    page.has_launched = True
    guarded: ASGIApp = Guard(server, uploads=uploads)
    if hosts is not None:
        guarded = TrustedHostMiddleware(guarded, allowed_hosts=hosts, www_redirect=False)
    return guarded


def serve(operation: Operation, host: str, port: int, *, on_ready: Callable[[str], None]) -> None:
    """Serve the page until a signal ends it; port 0 takes any free one.

    `on_ready` is called with the address once it can be opened.

    Raises:
        EvaGraphError: a policy cannot be made, or the address cannot be listened on.
    """
    own = Path(tempfile.mkdtemp(prefix="eva-graph-app-")).resolve()
    try:
        hosts = _LOOPBACK_NAMES if host in _LOOPBACK else None
        app = build_app(operation, own / "page", hosts=hosts)
        with _listening(host, port) as listener:
            if hosts is None:
                print(f"whoever reaches {host}:{port} can use the page", file=sys.stderr)
            shown = f"[{host}]" if ":" in host else host
            on_ready(f"http://{shown}:{listener.getsockname()[1]}/")
            config = uvicorn.Config(
                app,
                log_config=None,
                access_log=False,
                timeout_graceful_shutdown=_GOODBYE_SECONDS,
            )
            uvicorn.Server(config).run(sockets=[listener])
    finally:
        shutil.rmtree(own, ignore_errors=True)


@contextmanager
def _listening(host: str, port: int) -> Iterator[socket.socket]:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((host, port))
            listener.listen()  # before the address is told: who reads it may connect at once
        except (OSError, OverflowError) as error:
            raise InvalidRequest(f"cannot listen on {host}:{port}: {error}") from error
        yield listener


def _ending(
    sessions: Sessions, folder: Path
) -> Callable[[FastAPI], AbstractAsyncContextManager[None]]:
    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        yield
        # Here, and not after the server: a terminated process comes no further than this.
        sessions.close_all()
        shutil.rmtree(folder.parent, ignore_errors=True)

    return lifespan
