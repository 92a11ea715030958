"""`eva-graph export`: the command line's face of the exports; light until it runs."""

from __future__ import annotations

import json
from enum import StrEnum
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from eva_graph.commands.counted import counted
from eva_graph.commands.filter_options import (
    Labels,
    Many,
    MaxTurns,
    MinTurns,
    Right,
    Since,
    StopReasons,
    Tools,
    Until,
)
from eva_graph.commands.stopping import if_stopped

if TYPE_CHECKING:
    from rich.console import Console

    from eva_graph_training.export.counts import ExportCounts
    from eva_graph_training.export.exporting import ExportRequest


class FormName(StrEnum):
    """Who reads the rows."""

    TRL_SFT = "trl-sft"
    TRL_KTO = "trl-kto"
    TRL_GRPO = "trl-grpo"
    SHAREGPT = "sharegpt"
    VERL = "verl"
    OPENAI = "openai"
    PIVOT = "pivot"


class Frames(StrEnum):
    """How rows name frames."""

    PATH = "path"
    COPY = "copy"
    INLINE = "inline"


def export(
    runs: Annotated[list[Path], typer.Argument(help="Run directories.")],
    to: Annotated[FormName, typer.Option(help="Who reads the rows.")],
    out: Annotated[Path, typer.Option(help="Folder to write; new or empty.")],
    right: Right = None,
    stop_reason: StopReasons = None,
    tool: Tools = None,
    label: Labels = None,
    without_label: Annotated[Many, typer.Option(help="Label not wanted; once for each.")] = None,
    min_turns: MinTurns = None,
    max_turns: MaxTurns = None,
    since: Since = None,
    until: Until = None,
    split: Annotated[float, typer.Option(help="Share of the videos that train.")] = 1.0,
    seed: Annotated[int, typer.Option(help="Another one shares the videos out anew.")] = 0,
    max_tokens: Annotated[
        int | None, typer.Option(help="Longest row; longer ones are left out, none is cut.")
    ] = None,
    processor: Annotated[Path | None, typer.Option(help="Model folder that counts tokens.")] = None,
    dedupe: Annotated[
        bool, typer.Option("--dedupe", help="Leave out repeats: same video, question and text.")
    ] = False,
    frames: Annotated[
        Frames | None, typer.Option(help="Files of the run, copies, or inside the rows.")
    ] = None,
    allow: Annotated[
        Many, typer.Option(help="A violation that does not stop the export; once for each.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Write recorded runs as training rows, with a data set card.

    eva-graph export runs/a runs/b --to trl-sft --out data/sft --right --split 0.9
    """
    if_stopped("nothing was written, give the same command again")
    from rich.console import Console

    from eva_graph.errors import MissingExtra
    from eva_graph.trajectory import RecordFilter, RunStore
    from eva_graph.trajectory.violations import violation_kinds

    if find_spec("datasets") is None:
        raise MissingExtra('exports need the train extra: pip install "eva-graph[train]"')
    from eva_graph_training.export.exporting import ExportRequest
    from eva_graph_training.export.forms import FORMS
    from eva_graph_training.export.row import FrameDelivery
    from eva_graph_training.export.selection import Selection, Split

    where = RecordFilter(
        correct=right,
        stop_reasons=frozenset(stop_reason or ()),
        tools=frozenset(tool or ()),
        labels=frozenset(label or ()),
        min_turns=min_turns,
        max_turns=max_turns,
        since=since,
        until=until,
    )
    request = ExportRequest(
        runs=runs,
        form=FORMS[to.value],
        out=out,
        selection=Selection(where=where, without_labels=frozenset(without_label or ())),
        split=Split(train_fraction=split, seed=seed),
        delivery=None if frames is None else FrameDelivery(frames.value),
        max_tokens=max_tokens,
        processor=processor,
        deduplicate=dedupe,
        allow=violation_kinds(allow or []),
    )
    news = Console(stderr=True, highlight=False, soft_wrap=True)
    counts = _with_progress(request, news)
    _tell(counts, request, news)
    for line in (line for run in runs for line in RunStore(run).news()):
        news.print(line, markup=False)
    if as_json:
        print(json.dumps(counts.to_json()))


def _with_progress(request: ExportRequest, console: Console) -> ExportCounts:
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

    from eva_graph.trajectory import RunStore
    from eva_graph_training.export.exporting import export as write

    total = sum(len(RunStore(run)) for run in request.runs)
    columns = (TextColumn("exporting"), BarColumn(), MofNCompleteColumn())
    with Progress(*columns, console=console, transient=True) as progress:
        task = progress.add_task("episodes", total=total)
        return write(request, advance=lambda: progress.advance(task))


def _tell(counts: ExportCounts, request: ExportRequest, console: Console) -> None:
    files = sorted(counts.rows.items())
    rows = ", ".join(f"{counted(number, 'row')} in {name}" for name, number in files)
    episodes = counted(counts.records, "episode")
    console.print(f"{counts.exported} of {episodes}: {rows}", markup=False)
    for reason, number in sorted((counts.dropped + counts.left_out).items()):
        console.print(f"left out {number}: {reason}", markup=False)
    if request.form.re_encodes:
        console.print(
            f"{counts.non_canonical_turns} of {counts.turns} turns are non-canonical", markup=False
        )
    if request.split.train_fraction < 1 and len(counts.videos) < 2:
        console.print("all videos are on one side of the split: try another --seed", markup=False)
    console.print(f"written to {request.out}", markup=False)
