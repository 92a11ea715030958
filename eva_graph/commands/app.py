"""`eva-graph app`: a page in the browser to ask videos questions."""

from __future__ import annotations

import sys
import webbrowser
from importlib import import_module
from pathlib import Path
from typing import Annotated

import typer

from eva_graph.errors import InvalidRequest, MissingExtra


def page(
    policy: Annotated[
        list[str] | None,
        typer.Option(
            help="nano, a server's URL or a model folder to offer, as NAME=… if it needs a name; "
            "give it once for each. The embedded nano if absent."
        ),
    ] = None,
    model: Annotated[str | None, typer.Option(help="Model name at the servers.")] = None,
    dialect: Annotated[str, typer.Option(help="eva, native, or auto: ask the server.")] = "eva",
    instructions: Annotated[
        bool, typer.Option(help="Teach general models the format in the system text.")
    ] = False,
    media_root: Annotated[
        Path | None,
        typer.Option(
            envvar="EVA_GRAPH_MEDIA_ROOT",
            help="Folder whose videos may be asked about; uploads and the demo alone if absent.",
        ),
    ] = None,
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="Port; 0 is any free one.")] = 7860,
    max_upload_mb: Annotated[int, typer.Option(help="Largest upload in MiB.")] = 512,
    question_timeout: Annotated[
        float, typer.Option(help="Seconds that a question may take.")
    ] = 300.0,
    look_timeout: Annotated[float, typer.Option(help="Seconds that one look may take.")] = 60.0,
    parallel: Annotated[int, typer.Option(help="Questions answered side by side.")] = 2,
    waiting: Annotated[int, typer.Option(help="Questions that may wait for that.")] = 16,
    max_turns: Annotated[int, typer.Option(help="Assistant turns, the answer included.")] = 6,
    look_budget: Annotated[int, typer.Option(help="Visual tokens of one call.")] = 12_000,
    isolated: Annotated[
        bool, typer.Option(help="Read videos in worker processes with limits.")
    ] = True,
    show: Annotated[bool, typer.Option("--open", help="Open the page in the browser.")] = False,
) -> None:
    """Serve a page: choose or upload a video, ask, and watch the agent look.

    eva-graph app --policy nano --policy eva=http://localhost:8000/v1
    """
    if media_root is not None and not media_root.is_dir():
        raise InvalidRequest(f"{media_root}: no such folder, give the one that holds the videos")
    _require_gradio()
    from eva_graph.app.limits import MIB, PageLimits
    from eva_graph.app.offered import Manners, Offer
    from eva_graph.app.samples import installed_sample
    from eva_graph.app.server import Operation, serve
    from eva_graph.state import Context

    operation = Operation(
        offers=tuple(map(Offer.parse, policy or ["nano"])),
        media_root=None if media_root is None else media_root.resolve(),
        manners=Manners(model=model, dialect=dialect, instructions=instructions),
        limits=PageLimits(
            upload_bytes=max_upload_mb * MIB,
            question_seconds=question_timeout,
            parallel=parallel,
            waiting=waiting,
        ),
        context=Context(
            max_turns=max_turns, look_budget=look_budget, look_timeout_seconds=look_timeout
        ),
        isolated=isolated,
        make_sample=installed_sample(),
    )

    def ready(address: str) -> None:
        print(address, file=sys.stderr, flush=True)
        if show:
            webbrowser.open(address)

    serve(operation, host, port, on_ready=ready)


def _require_gradio() -> None:
    try:
        import_module("gradio")
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] != "gradio":
            raise
        raise MissingExtra('Gradio is not installed: pip install "eva-graph[app]"') from error
