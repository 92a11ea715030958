"""`eva-graph view`: a page about a run, or about two side by side."""

from __future__ import annotations

import sys
import webbrowser
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.progress import MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from eva_graph.commands.stopping import if_stopped

if TYPE_CHECKING:
    from eva_graph.viewer import View


def view(
    run: Annotated[Path, typer.Argument(help="Run directory.")],
    other: Annotated[
        Path | None, typer.Argument(help="Another run on the same questions, to compare.")
    ] = None,
    out: Annotated[
        Path | None, typer.Option(help="HTML file to write; RUN/view.html if absent.")
    ] = None,
    max_mb: Annotated[
        float, typer.Option(help="Above this many megabytes a folder is written, not one file.")
    ] = 120,
    video: Annotated[
        bool, typer.Option("--video", help="Also write a reel of what was looked at, by question.")
    ] = False,
    only: Annotated[
        list[str] | None,
        typer.Option(help="Trajectory id of an episode to show; give it once for each."),
    ] = None,
    show: Annotated[bool, typer.Option("--open", help="Open the page in the browser.")] = False,
) -> None:
    """Write a self-contained page about recorded episodes; it needs no network and no server.

    eva-graph view runs/a --open
    """
    if_stopped("no page was written, give the same command again")
    from eva_graph.viewer import write_view

    runs = [run] if other is None else [run, other]
    out = out or run / "view.html"
    console = Console(stderr=True)
    columns = (TextColumn("episodes"), MofNCompleteColumn(), TimeElapsedColumn())
    progress = Progress(*columns, console=console, transient=True, disable=not console.is_terminal)
    with progress:
        task = progress.add_task("episodes", total=None)
        written = write_view(
            runs,
            out,
            max_megabytes=max_mb,
            only=only or (),
            reels=video,
            on_episode=lambda: progress.advance(task),
        )
    print(written.path)
    print(_told(written), file=sys.stderr)
    if show:
        webbrowser.open(written.path.resolve().as_uri())


def _told(written: View) -> str:
    """What was written, in one line."""
    questions = "1 question" if written.questions == 1 else f"{written.questions:,} questions"
    missing = f", {written.missing_frames:,} missing" if written.missing_frames else ""
    size = written.total_bytes / 1_000_000
    return f"{questions}, {written.thumbnails:,} frames{missing}, {size:.1f} MB"
