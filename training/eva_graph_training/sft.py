"""Supervised fine-tuning of a Qwen VL policy on recorded trajectories: a thin face of SFTTrainer.

The loss covers assistant turns only. A run that was stopped goes on from its last checkpoint; the
model is then built from the checkpoint's own folder, because the trainer's way of loading weights
into a live Qwen2.5-VL silently loads nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from transformers import PreTrainedModel
from transformers.trainer_utils import get_last_checkpoint
from trl import SFTConfig, SFTTrainer

from eva_graph.policy.processor import load_model, load_processor
from eva_graph_training.dataset import sft_dataset


@dataclass(frozen=True, slots=True, kw_only=True)
class SftSettings:
    """Length and rates of a run; one optimiser step sees `batch_size * accumulate` episodes."""

    max_steps: int
    learning_rate: float
    batch_size: int = 4
    accumulate: int = 2
    warmup_steps: int = 20
    save_steps: int = 50
    seed: int = 3
    bf16: bool = False
    train_vision: bool = True


def train_sft(
    model_folder: str | Path, runs: Sequence[str | Path], output: str | Path, settings: SftSettings
) -> PreTrainedModel:
    """Fine-tune and return the trained model in evaluation mode; checkpoints go to `output`.

    The vision-integrity check comes first (`sft_dataset`): nothing is trained on frames that are
    not what the rollouts saw.

    Raises:
        InvalidRequest: `model_folder` holds no supported model.
        TrajectoryError: a run is empty, or a record is not sound.
    """
    rows = sft_dataset(runs)
    last = get_last_checkpoint(str(output)) if Path(output).is_dir() else None
    model = load_model(last or model_folder).train()
    if not settings.train_vision:
        model.get_submodule("model.visual").requires_grad_(False)
    trainer = SFTTrainer(
        model=model,
        args=_config(output, settings),
        train_dataset=rows,
        processing_class=load_processor(model_folder),
    )
    trainer.train(resume_from_checkpoint=last)
    trained: PreTrainedModel = model.eval()
    return trained


def _config(output: str | Path, settings: SftSettings) -> SFTConfig:
    return SFTConfig(
        output_dir=str(output),
        max_steps=settings.max_steps,
        learning_rate=settings.learning_rate,
        lr_scheduler_type="cosine",
        warmup_steps=settings.warmup_steps,
        per_device_train_batch_size=settings.batch_size,
        gradient_accumulation_steps=settings.accumulate,
        save_steps=settings.save_steps,
        save_total_limit=2,
        seed=settings.seed,
        bf16=settings.bf16,
        max_length=None,  # a cut would drop answers from the loss, or break an image
        assistant_only_loss=True,
        activation_checkpointing=False,
        logging_steps=10,
        report_to=[],
    )
