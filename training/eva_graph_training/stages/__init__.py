"""The stages of a recipe as trainings that can be stopped anywhere: SFT, KTO, GRPO.

TRL trains. What is here is around it: which folder a model is built from (`start`), rows
(`sources`, `rows`), TRL's arguments (`arguments`), checkpoints that are whole or do not count
(`checkpoints`), the log (`logs`), the model folder at the end (`saving`), and what a folder was
trained with (`folder`). `run_stage` puts them in order; each stage only builds its trainer.

    <work>/<stage>/stage.json       settings, data and state: a finished stage is not run again
    <work>/<stage>/checkpoint-N/    goes on exactly from here
    <work>/<stage>/log.jsonl        every logged value; tensorboard/ the same
    <work>/<stage>/adapter/         with LoRA: the adapter alone
    <work>/<stage>/model/           the trained model, whole
    <work>/<stage>/report.html      how it went (`eva_graph_training.stage_report`)
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from importlib import import_module
from types import MappingProxyType
from typing import TYPE_CHECKING

from eva_graph_training.recipe import Recipe, StageName

if TYPE_CHECKING:
    from eva_graph_training.stages.run import Trained

_TRAINERS: Mapping[StageName, str] = MappingProxyType(
    {
        "sft": "eva_graph_training.stages.sft:train_sft",
        "kto": "eva_graph_training.stages.kto:train_kto",
        "grpo": "eva_graph_training.stages.grpo:train_grpo",
    }
)


def train_stage(name: StageName, recipe: Recipe) -> Trained:
    """Train a stage; torch is loaded here and not before.

    Raises:
        EvaGraphError: the recipe, the data or the start cannot be used; one line each.
    """
    module, _, function = _TRAINERS[name].partition(":")
    train: Callable[[Recipe], Trained] = getattr(import_module(module), function)
    return train(recipe)
