"""`eva-graph label`: label a run for KTO, and reward it for GRPO. Light until it runs."""

from __future__ import annotations

import importlib
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from eva_graph.commands.stopping import if_stopped

if TYPE_CHECKING:
    from eva_graph.policy.protocol import Policy
    from eva_graph_training.rewards.scoring import Scorer


def label(
    run: Annotated[Path, typer.Argument(help="Run directory.")],
    judge: Annotated[
        str | None, typer.Option(help="Server URL or model folder that judges the evidence.")
    ] = None,
    rules: Annotated[
        list[str] | None,
        typer.Option(help="Python module that registers rules of your own; once for each."),
    ] = None,
    rewards: Annotated[
        str | None, typer.Option(help="Recipe whose GRPO rewards are written into the records.")
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Write nothing back.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Label every episode of a run and decide what KTO should make of it.

    eva-graph label runs/a --judge http://localhost:8000/v1
    eva-graph label runs/a --rewards nano-cpu
    """
    if_stopped("give the same command again; labels that were written stay")
    from rich.console import Console
    from rich.progress import Progress

    from eva_graph.commands.run_table import output_console
    from eva_graph.policy.resolve import resolve_policy
    from eva_graph.trajectory import RunStore
    from eva_graph_training.labels import PolicyJudge, label_run
    from eva_graph_training.rewards.recorded import reward_run

    _load(rules or ())
    policy = None if judge is None else resolve_policy(judge)
    scorer = None if rewards is None else _scorer(rewards, policy)
    store = RunStore(run)
    store.check_exists()
    news = Console(stderr=True)
    rewarded = None
    with Progress(console=news, transient=True, disable=not news.is_terminal) as progress:

        def advancing(what: str) -> Callable[[], None]:
            task = progress.add_task(what, total=len(store))
            return lambda: progress.advance(task)

        chosen = None if policy is None else PolicyJudge(policy)
        report = label_run(store, judge=chosen, write=not dry_run, advance=advancing("labelling"))
        if scorer is not None:
            rewarded = reward_run(store, scorer, write=not dry_run, advance=advancing("rewarding"))
    for line in store.news():
        news.print(line, markup=False, soft_wrap=True)
    if as_json:
        told = {} if rewarded is None else {"rewards": rewarded.to_json()}
        print(json.dumps(report.to_json() | told))
        return
    console = output_console()
    console.print(report.table())
    console.print(report.summary(), style="dim")
    if rewarded is not None:
        console.print(rewarded.summary(), style="dim")


def _load(rules: Sequence[str]) -> None:
    from eva_graph_training.errors import DataError

    for module in rules:
        try:
            importlib.import_module(module)
        except ImportError as error:
            raise DataError(f"--rules {module} cannot be imported: {error}") from None


def _scorer(recipe: str, judge: Policy | None) -> Scorer:
    from eva_graph_training.recipe.loading import load_recipe
    from eva_graph_training.rewards.scoring import Scorer, judge_of

    chosen = load_recipe(recipe)
    settings = chosen.grpo.rewards
    return Scorer(settings, judge or judge_of(settings, chosen.model))
