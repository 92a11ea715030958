"""`eva-graph label`: label a run for KTO. Light until it runs."""

from __future__ import annotations

import importlib
import json
from pathlib import Path
from typing import Annotated

import typer


def label(
    run: Annotated[Path, typer.Argument(help="Run directory.")],
    judge: Annotated[
        str | None, typer.Option(help="Server URL or model folder that judges the evidence.")
    ] = None,
    rules: Annotated[
        list[str] | None,
        typer.Option(help="Python module that registers rules of your own; once for each."),
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Write nothing back.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Label every episode of a run and decide what KTO should make of it.

    eva-graph label runs/a --judge http://localhost:8000/v1
    """
    from rich.console import Console
    from rich.progress import Progress

    from eva_graph.commands.run_table import output_console
    from eva_graph.policy.resolve import resolve_policy
    from eva_graph.trajectory import RunStore
    from eva_graph_training.errors import DataError
    from eva_graph_training.labels import PolicyJudge, label_run

    for module in rules or ():
        try:
            importlib.import_module(module)
        except ImportError as error:
            raise DataError(f"--rules {module} cannot be imported: {error}") from None
    store = RunStore(run)
    store.check_exists()
    news = Console(stderr=True)
    with Progress(console=news, transient=True, disable=not news.is_terminal) as progress:
        task = progress.add_task("labelling", total=len(store))
        report = label_run(
            store,
            judge=None if judge is None else PolicyJudge(resolve_policy(judge)),
            write=not dry_run,
            advance=lambda: progress.advance(task),
        )
    for line in store.news():
        news.print(line, markup=False, soft_wrap=True)
    if as_json:
        print(json.dumps(report.to_json()))
        return
    console = output_console()
    console.print(report.table())
    console.print(report.summary(), style="dim")
