"""`eva-graph train`: the command line's face of the stages; light until it runs."""

from __future__ import annotations

import json
import os
from importlib.util import find_spec
from typing import TYPE_CHECKING, Annotated

import typer

from eva_graph.commands.stopping import if_stopped
from eva_graph_training.miniature.command import recipe

if TYPE_CHECKING:
    from eva_graph_training.recipe import StageName

train = typer.Typer(
    name="train",
    help="Train the stages of a recipe, or the paper in miniature from end to end.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
Config = Annotated[str, typer.Argument(help="A recipe's name, or a YAML file.")]
Set = Annotated[
    list[str] | None,
    typer.Option("--set", help="key=value, the key dotted; once for each."),
]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON object.")]


@train.command()
def sft(config: Config, settings: Set = None, as_json: Json = False) -> None:
    """Stage 1, on recorded episodes; one that was stopped goes on, a finished one is left alone.

    eva-graph train sft nano-cpu --set 'runs=[runs/teacher]' --set sft.max_steps=100
    """
    _train("sft", config, settings, as_json=as_json)


@train.command()
def kto(config: Config, settings: Set = None, as_json: Json = False) -> None:
    """Stage 2, on labelled episodes; goes on like the first.

    eva-graph train kto nano-cpu --set 'runs=[runs/labelled]'
    """
    _train("kto", config, settings, as_json=as_json)


@train.command()
def grpo(config: Config, settings: Set = None, as_json: Json = False) -> None:
    """Stage 3, on questions; goes on like the first.

    eva-graph train grpo nano-cpu --set 'grpo.data=[data/questions.jsonl]'
    """
    _train("grpo", config, settings, as_json=as_json)


train.command()(recipe)


def _train(stage: StageName, config: str, settings: list[str] | None, *, as_json: bool) -> None:
    if_stopped("the same command goes on from the last checkpoint")
    # TRL reports to its makers' servers unless it is told not to: training sends nothing unasked.
    os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")
    from eva_graph.errors import MissingExtra
    from eva_graph_training.recipe import load_recipe
    from eva_graph_training.stages import train_stage

    if find_spec("trl") is None:
        raise MissingExtra('training needs the train extra: pip install "eva-graph[train]"')
    trained = train_stage(stage, load_recipe(config, settings or ()))
    if as_json and os.environ.get("RANK", "0") == "0":
        found = {"stage": stage, "model": str(trained.model), "steps": trained.steps}
        print(json.dumps(found | {"rows": trained.rows, "already_finished": trained.already}))
