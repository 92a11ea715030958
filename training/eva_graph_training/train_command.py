"""`eva-graph train`: the command line's face of the stages; light until it runs."""

from __future__ import annotations

import json
import os
from enum import StrEnum
from importlib.util import find_spec
from typing import Annotated

import typer


class StageChoice(StrEnum):
    """The stages, in their order."""

    SFT = "sft"
    KTO = "kto"
    GRPO = "grpo"


def train(
    stage: Annotated[StageChoice, typer.Argument(help="Which stage of the recipe.")],
    config: Annotated[str, typer.Argument(help="A recipe's name, or a YAML file.")],
    settings: Annotated[
        list[str] | None,
        typer.Option("--set", help="key=value, the key dotted; once for each."),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Train a stage of a recipe; one that was stopped goes on, a finished one is left alone.

    eva-graph train sft nano-cpu --set 'runs=[runs/teacher]' --set sft.max_steps=100
    """
    # TRL reports to its makers' servers unless it is told not to: training sends nothing unasked.
    os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")
    from eva_graph.errors import MissingExtra
    from eva_graph_training.recipe import load_recipe
    from eva_graph_training.stages import train_stage

    if find_spec("trl") is None:
        raise MissingExtra('training needs the train extra: pip install "eva-graph[train]"')
    recipe = load_recipe(config, settings or ())
    trained = train_stage(stage.value, recipe)
    if as_json and os.environ.get("RANK", "0") == "0":
        found = {"stage": stage.value, "model": str(trained.model), "steps": trained.steps}
        print(json.dumps(found | {"rows": trained.rows, "already_finished": trained.already}))
