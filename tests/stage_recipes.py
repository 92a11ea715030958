"""Recipes for models of a few hundred thousand parameters: seconds on one core."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file

from eva_graph_training.recipe import Recipe, SftStage, StageName
from eva_graph_training.stages.run import StageRun

LORA = {"rank": 4, "alpha": 8}
QUICK: dict[str, Any] = {
    "batch": 2, "per_device_batch": 2, "learning_rate": 1e-3, "precision": "fp32",
    "activation_checkpointing": False, "trackers": (), "transcripts": 0, "warmup_share": 0.0,
}  # fmt: skip
EVERY_STEP = 1e-9
"""Minutes between two checkpoints: one after each step."""


def tiny(work: Path, model: Path, runs: list[Path], **changes: Any) -> Recipe:
    """A recipe of SFT and KTO alone; `changes` are of either stage."""
    stage = {**QUICK, **changes}
    known = SftStage.model_fields
    return Recipe.model_validate(
        {
            "summary": "for tests", "work": str(work), "model": str(model),
            "runs": list(map(str, runs)),
            "sft": {key: value for key, value in stage.items() if key in known},
            "kto": stage,
        }
    )  # fmt: skip


def weights(folder: Path) -> dict[str, torch.Tensor]:
    """Every weight of a model folder."""
    found: dict[str, torch.Tensor] = {}
    for file in folder.glob("*.safetensors"):
        found |= load_file(file)
    return found


def changed(before: Path, after: Path) -> set[str]:
    """Names of the weights that differ."""
    first, second = weights(before), weights(after)
    assert set(first) == set(second)
    return {name for name in first if not torch.equal(first[name], second[name])}


def same(first: Path, second: Path) -> bool:
    """Whether two folders hold the same weights, to the bit."""
    return not changed(first, second)


def vision(names: set[str]) -> set[str]:
    return {name for name in names if "visual" in name}


def stopped_after(steps: int, name: StageName, recipe: Recipe) -> None:
    """Train some steps with a checkpoint after each, and leave it at that."""
    from transformers import TrainerCallback

    from eva_graph_training.stages.kto import kto_trainer
    from eva_graph_training.stages.sft import sft_trainer

    class Stop(TrainerCallback):
        def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
            control.should_training_stop = state.global_step >= steps

    build = {"sft": sft_trainer, "kto": kto_trainer}[name]
    trainer = build(StageRun.of(recipe, name))
    trainer.add_callback(Stop())
    trainer.train()


def checkpoints(folder: Path) -> Iterator[int]:
    """Steps of the checkpoints that are whole."""
    for path in folder.glob("checkpoint-*/whole"):
        yield int(path.parent.name.removeprefix("checkpoint-"))
