"""Stage 1: supervised fine-tuning on the answered episodes, with TRL's SFTTrainer and collator.

The loss covers exactly the assistant's turns, those that a person edited left out.
"""

from __future__ import annotations

from transformers import Trainer
from trl import SFTConfig, SFTTrainer

from eva_graph_training.checks.sight import SightCheck
from eva_graph_training.export.trl_sft import TrlSft
from eva_graph_training.recipe import Recipe
from eva_graph_training.stages.checkpoints import StageTrainer
from eva_graph_training.stages.run import StageRun, Trained, run_stage


class CheckedSft(StageTrainer, SightCheck, SFTTrainer):
    """SFTTrainer that verifies its batches and stops where it does not see its frames."""


def train_sft(recipe: Recipe) -> Trained:
    """Train the recipe's first stage; see `run_stage`.

    Raises:
        EvaGraphError: the recipe, the data or the start cannot be used; one line each.
    """
    return run_stage(recipe, "sft", sft_trainer)


def sft_trainer(run: StageRun) -> Trainer:
    """The stage's trainer, ready to train; see `run_stage`."""
    config = run.arguments(
        SFTConfig,
        assistant_only_loss=True,
        max_length=None,  # a cut would break an image, or take the answer out of the loss
    )
    rows = run.rows(TrlSft())
    trainer: Trainer = CheckedSft(
        checks=run.stage.checks,
        model=run.model(),
        args=config,
        train_dataset=rows,
        processing_class=run.processor(),
        callbacks=run.callbacks(),
    )
    return trainer
