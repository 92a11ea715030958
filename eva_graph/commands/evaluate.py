"""`eva-graph eval`: ask a benchmark's questions, or one's own, and report on the answers."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from eva_graph.commands.agent_options import (
    Calls,
    CallsName,
    EpisodeVisualBudget,
    Instructions,
    Json,
    LookBudget,
    MaxTurns,
    ModelName,
    PolicySpec,
    Profile,
    ProfileName,
    ToolNames,
)
from eva_graph.commands.exit_codes import WrongUsage
from eva_graph.commands.stopping import GOES_ON, if_stopped
from eva_graph.errors import PolicyError

if TYPE_CHECKING:
    from eva_graph.evaluation.runner import AskUnits
    from eva_graph.policy.protocol import Policy

DEFAULT_MAX_TURNS = 6
DEFAULT_LOOK_BUDGET = 12_000


def evaluate(
    benchmark: Annotated[
        str,
        typer.Argument(
            metavar="BENCH",
            help="videomme, longvideobench, mlvu, lsdbench, videoholmes, lvbench or custom.",
        ),
    ],
    annotations: Annotated[Path, typer.Option(help="The set's file or folder of questions.")],
    videos: Annotated[Path, typer.Option(help="Folder below which the videos lie.")],
    out: Annotated[
        Path, typer.Option(help="Run directory; the same one again goes on where it stopped.")
    ],
    policy: PolicySpec = None,
    model: ModelName = None,
    profile: Profile = ProfileName.CORRECTED,
    baseline: Annotated[
        str | None,
        typer.Option(
            help="Ask about evenly spread frames in one call, in place of the agent: uniform:32, "
            "uniform:32@0.5, uniform:tokens=12000, uniform-look:32."
        ),
    ] = None,
    judge: Annotated[
        str | None, typer.Option(help="Server URL or model folder that decides on open answers.")
    ] = None,
    judge_model: Annotated[
        str | None, typer.Option(help="Model name at the judge's server.")
    ] = None,
    limit: Annotated[int | None, typer.Option(help="Ask a sample of that many questions.")] = None,
    seed: Annotated[int, typer.Option(help="Which sample --limit draws.")] = 0,
    concurrency: Annotated[
        int, typer.Option(help="Questions at a time; with --ray, on the whole cluster.")
    ] = 16,
    ray: Annotated[
        str | None,
        typer.Option(
            metavar="[ADDRESS]",
            help="Ask on a Ray cluster, a task for each video; without an address on one of this "
            "machine's cores, for as long as it takes.",
        ),
    ] = None,
    retry_errors: Annotated[
        bool, typer.Option("--retry-errors", help="Ask again what ended in an error.")
    ] = False,
    isolated: Annotated[
        bool, typer.Option(help="Read videos in worker processes: for files you do not trust.")
    ] = False,
    dialect: Annotated[str, typer.Option(help="eva or native.")] = "eva",
    instructions: Instructions = False,
    tool: ToolNames = None,
    calls: Calls = CallsName.TURN,
    max_turns: MaxTurns = DEFAULT_MAX_TURNS,
    max_new_tokens: Annotated[int, typer.Option(help="New tokens a turn.")] = 2048,
    look_budget: LookBudget = DEFAULT_LOOK_BUDGET,
    episode_visual_budget: EpisodeVisualBudget = None,
    as_json: Json = False,
) -> None:
    """Evaluate the agent on a benchmark; may be stopped and called again at any time.

    eva-graph eval lvbench --annotations lvbench.jsonl --videos videos
    --policy http://localhost:8000/v1 --out runs/lvbench
    """
    from rich.console import Console

    from eva_graph.commands.log_once import warnings_once
    from eva_graph.commands.run_table import output_console
    from eva_graph.evaluation import (
        EvaluationPlan,
        EvaluationSettings,
        LoadSummary,
        ask_videos,
        make_asker,
        render_report,
    )
    from eva_graph.evaluation import evaluate as run_evaluation
    from eva_graph.evaluation.on_ray import RemoteAsker, ask_on_ray
    from eva_graph.policy.resolve import resolve_policy

    if judge is None and judge_model is not None:
        raise WrongUsage("--judge-model names a model of --judge: give --judge URL with it")
    if baseline is not None:
        _refuse_without_effect(
            {
                "--calls": calls is not CallsName.TURN,
                "--max-turns": max_turns != DEFAULT_MAX_TURNS,
                "--look-budget": look_budget != DEFAULT_LOOK_BUDGET,
                "--episode-visual-budget": episode_visual_budget is not None,
                "--tool": tool is not None and not baseline.startswith("uniform-look"),
                "--instructions": instructions and not baseline.startswith("uniform-look"),
            }
        )
    news = Console(stderr=True, highlight=False)
    chosen = resolve_policy(policy, model=model)
    settings = EvaluationSettings(
        benchmark=benchmark,
        profile=profile.value,
        model=_model_name(chosen, out),
        baseline=baseline,
        dialect=dialect,
        instructions=instructions,
        tools=None if tool is None else tuple(tool),
        calls=calls.value,
        max_turns=max_turns,
        max_new_tokens=max_new_tokens,
        look_budget=look_budget,
        episode_visual_budget=episode_visual_budget,
        limit=limit,
        seed=seed,
    )
    plan = EvaluationPlan.of(settings, annotations, videos)
    news.print("\n".join(LoadSummary.of(plan.questions).lines()), markup=False, soft_wrap=True)
    ask_units: AskUnits
    if ray is None:
        asker = make_asker(settings, chosen, out, isolated=isolated)
        ask_units = partial(ask_videos, asker=asker, concurrency=concurrency)
    else:
        remote = RemoteAsker(
            settings=settings, policy=policy, model=model, run=out, isolated=isolated
        )
        ask_units = partial(ask_on_ray, asker=remote, concurrency=concurrency, address=ray)
    if_stopped(GOES_ON)
    with warnings_once(news):
        report = run_evaluation(
            plan,
            out,
            ask_units,
            retry_errors=retry_errors,
            judge=None if judge is None else resolve_policy(judge, model=judge_model),
            console=news,
        )
    if as_json:
        print(json.dumps(report.to_json()))
    else:
        output_console().print(render_report(report))
    news.print(str(out / "report.html"), markup=False, soft_wrap=True, style="dim")


def _refuse_without_effect(given: Mapping[str, bool]) -> None:
    """The baseline is one call, which takes no looks. Raises `WrongUsage`."""
    for option, is_given in given.items():
        if is_given:
            raise WrongUsage(f"{option} has no effect with --baseline, which is one call: drop it")


def _model_name(policy: Policy, run: Path) -> str:
    """What the policy is called; a run with nothing left to ask needs no server to say so."""
    from eva_graph.evaluation import EvaluationPlan

    try:
        return policy.info.name
    except PolicyError:
        begun_with = EvaluationPlan.model_of(run)
        if begun_with is None:
            raise
        return begun_with
