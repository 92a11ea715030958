"""Stage 2: KTO on whole labelled episodes, with TRL's KTOTrainer and our collator.

The reference is the stage's start. Rows are put in an order in which labels alternate in proportion
and every micro-batch shows several videos; KTOTrainer reads them in that order.
"""

from __future__ import annotations

from datasets import Dataset
from transformers import Trainer
from trl import KTOConfig, KTOTrainer

from eva_graph_training.checks.kto import balanced_weights, require_mixed
from eva_graph_training.checks.sight import SightCheck
from eva_graph_training.collate import TrajectoryCollator
from eva_graph_training.errors import DataError
from eva_graph_training.export.trl_kto import TrlKto
from eva_graph_training.interleaving import interleave
from eva_graph_training.recipe import KtoStage, Recipe
from eva_graph_training.stages.checkpoints import StageTrainer
from eva_graph_training.stages.run import StageRun, Trained, run_stage


class CheckedKto(StageTrainer, SightCheck, KTOTrainer):
    """KTOTrainer that verifies its batches and stops where it does not see its frames."""


def train_kto(recipe: Recipe) -> Trained:
    """Train the recipe's second stage; see `run_stage`.

    Raises:
        EvaGraphError: the recipe, the data or the start cannot be used; one line each.
    """
    return run_stage(recipe, "kto", kto_trainer)


def kto_trainer(run: StageRun) -> Trainer:
    """The stage's trainer, ready to train; see `run_stage`."""
    stage = run.recipe.kto
    config = run.arguments(KTOConfig, beta=stage.beta, loss_type=stage.loss, max_length=None)
    rows = _ordered(run.rows(TrlKto()), run)
    config.desirable_weight, config.undesirable_weight = _weights(rows["label"], stage)
    processor = run.processor()
    trainer: Trainer = CheckedKto(
        checks=stage.checks,
        model=run.model(),
        args=config,
        train_dataset=rows,
        processing_class=processor,
        data_collator=TrajectoryCollator(processor, calculate_kl=stage.loss == "kto"),
        callbacks=run.callbacks(),
    )
    return trainer


def _ordered(rows: Dataset, run: StageRun) -> Dataset:
    """The rows in training order, without those that fill no micro-batch on every device."""
    at_once = run.stage.per_device_batch * run.devices.count
    labels, videos = list(rows["label"]), list(rows["video_id"])
    order = interleave(labels, videos, seed=run.stage.seed)
    over = len(order) % at_once
    if over == len(order):
        raise DataError(f"KTO needs at least {at_once} rows, one micro-batch; there are {over}")
    if over:
        run.console.print(f"kto: left out {over}: they fill no micro-batch")
    order = order[: len(order) - over]
    if run.recipe.kto.loss == "kto":
        require_mixed(
            [labels[row] for row in order],
            [videos[row] for row in order],
            batch_size=run.stage.per_device_batch,
        )
    return rows.select(order)


def _weights(labels: list[bool], stage: KtoStage) -> tuple[float, float]:
    if stage.desirable_weight != "balanced":
        return stage.desirable_weight, stage.undesirable_weight
    desirable = sum(labels)
    return balanced_weights(desirable, len(labels) - desirable)
