"""`eva-graph train recipe nano`: the whole miniature, or its tables; light until it runs."""

from __future__ import annotations

import json
import os
from enum import StrEnum
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from eva_graph.commands.stopping import GOES_ON, if_stopped

if TYPE_CHECKING:
    from rich.console import Console

    from eva_graph_training.miniature.chain import Chain


class RecipeName(StrEnum):
    """What can be run from end to end."""

    NANO = "nano"


def recipe(
    name: Annotated[RecipeName, typer.Argument(help="nano: the paper in miniature.")],
    work: Annotated[
        Path, typer.Option(help="Folder of all steps; the same one goes on where it stopped.")
    ] = Path("runs/miniature"),
    base: Annotated[
        Path | None, typer.Option(help="Model folder to start from; the committed one if absent.")
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="Of teacher, stages and sampling.")] = 0,
    third: Annotated[bool, typer.Option("--third", help="A third of the steps.")] = False,
    smoke: Annotated[
        bool, typer.Option("--smoke", help="Minutes: does the start get better at all?")
    ] = False,
    ablation: Annotated[
        str | None,
        typer.Option(
            help="without-kto, without-self-verification, without-enhancement, choice-only or "
            "open-only."
        ),
    ] = None,
    only: Annotated[
        str | None, typer.Option(metavar="STEP", help="Stop when this step is done.")
    ] = None,
    settings: Annotated[
        list[str] | None, typer.Option("--set", help="A value of the plan, as kto.rows=100.")
    ] = None,
    report: Annotated[
        bool, typer.Option("--report", help="Train nothing: make the tables from reports.")
    ] = False,
    reports: Annotated[
        Path | None, typer.Option(help="Folder of reports; those of the shipped nano if absent.")
    ] = None,
    out: Annotated[
        Path, typer.Option(help="Folder for the tables and pictures of --report.")
    ] = Path("runs/miniature/tables"),
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """World, teacher, SFT, KTO, GRPO, baselines, evaluation: what was done is not done again.

    eva-graph train recipe nano --work runs/miniature
    """
    if_stopped(GOES_ON)
    os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")
    from rich.console import Console

    from eva_graph.errors import InvalidRequest, MissingExtra

    if find_spec("trl") is None:
        raise MissingExtra('training needs the train extra: pip install "eva-graph[train]"')
    console = Console(stderr=True, highlight=False)
    if report:
        from eva_graph_training.miniature.page import write_tables
        from eva_graph_training.miniature.reports import SHIPPED, read_reports

        written = write_tables(read_reports(reports or SHIPPED), out)
        console.print(f"{name}: {', '.join(map(str, written))}", markup=False, soft_wrap=True)
        return
    if third and smoke:
        raise InvalidRequest("--third or --smoke, not both")
    size = "smoke" if smoke else "third" if third else "full"
    chain = _chain(size, base, seed, ablation, settings or [], console)
    result = _run(chain, work, size, ablation, only, console)
    if as_json:
        print(json.dumps(result))


def _chain(
    size: str,
    base: Path | None,
    seed: int,
    ablation: str | None,
    settings: list[str],
    console: Console,
) -> Chain:
    from typing import cast

    from eva_graph_training.miniature.chain import Chain
    from eva_graph_training.miniature.plan import Size, load_plan
    from eva_graph_training.miniature.start import base_folder

    plan = load_plan(cast("Size", size), seed=seed, ablation=ablation, overrides=settings)
    return Chain(plan, base_folder(base), console)


def _run(
    chain: Chain,
    work: Path,
    size: str,
    ablation: str | None,
    only: str | None,
    console: Console,
) -> dict[str, object]:
    """Do the steps; what was measured, or the facts of the step that was the last one."""
    from typing import cast

    from eva_graph.errors import InvalidRequest
    from eva_graph_training.miniature.plan import Size
    from eva_graph_training.miniature.reports import MAIN, write_reports
    from eva_graph_training.miniature.start import require_better
    from eva_graph_training.miniature.steps import run_step

    if only is not None:
        if only not in chain.steps:
            raise InvalidRequest(f"no step {only!r}: choose from {', '.join(chain.steps)}")
        return run_step(chain.steps[only], work, console)
    for step in chain.steps.values():
        run_step(step, work, console)
    folder = work / "reports"
    written = write_reports(chain, work, folder, size=cast("Size", size), ablation=ablation or MAIN)
    console.print(f"{len(written)} reports in {folder}", markup=False, soft_wrap=True)
    found = chain.shares(work)
    if chain.plan.measure_start:
        require_better(found)
    return {"reports": [str(path) for path in written], "right": found}
