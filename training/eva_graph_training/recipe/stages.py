"""The settings of each stage; names follow the paper and TRL.

`batch` is what one optimiser step sees over all devices, as papers state it: trajectories for SFT
and KTO, prompts for GRPO (each with `rollouts` trajectories).
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from eva_graph_training.errors import RecipeError
from eva_graph_training.recipe.settings import (
    Amount,
    CheckSettings,
    Count,
    GenerationSettings,
    HeldOutSettings,
    LoraSettings,
    Positive,
    RewardSettings,
    Seed,
    Settings,
    Share,
    Weight,
)

StageName = Literal["sft", "kto", "grpo"]
Tracker = Literal["tensorboard", "wandb", "trackio"]


class Stage(Settings):
    """What all stages have.

    `start` and `data` are empty by default: then a stage starts from the model of the one before it
    in the same `work` folder (SFT from the recipe's `model`), and reads the recipe's `runs`.
    """

    start: str | None = None
    """Model folder."""
    data: tuple[str, ...] = ()
    """Run directories or exports; GRPO also reads JSON lines of questions."""
    epochs: Positive = 1.0
    max_steps: Count | None = None
    """Ends the stage before its epochs are over."""
    batch: Count = 8
    per_device_batch: Count = 1
    learning_rate: Positive = 2e-6
    scheduler: str = "cosine"
    warmup_share: Share = 0.03
    """Of the steps."""
    max_tokens: Count | None = 16_384
    """Longer trajectories are refused and counted, never cut."""
    precision: Literal["bf16", "fp32"] = "bf16"
    activation_checkpointing: bool = True
    train_vision: bool = True
    lora: LoraSettings | None = None
    seed: Seed = 3
    save_every_minutes: Positive = 5.0
    keep_checkpoints: Count = 2
    log_every_steps: Count = 1
    trackers: tuple[Tracker, ...] = ("tensorboard",)
    transcripts: Amount = 4
    """Sample episodes of the trained model, logged and put into the report."""
    held_out: HeldOutSettings = HeldOutSettings()
    checks: CheckSettings = CheckSettings()
    trainer: dict[str, Any] = Field(default_factory=dict)
    """Further arguments of TRL's configuration, by their names there; they win."""

    def accumulate(self, devices: int) -> int:
        """Micro-batches of one optimiser step on each device.

        Raises:
            RecipeError: `batch` is no multiple of what the devices hold at once.
        """
        at_once = self.per_device_batch * devices
        if self._trajectories % at_once:
            raise RecipeError(
                f"batch {self.batch} ({self._trajectories} trajectories) is no multiple of "
                f"per_device_batch x devices = {self.per_device_batch} x {devices}"
            )
        return self._trajectories // at_once

    @property
    def _trajectories(self) -> int:
        return self.batch


class SftStage(Stage):
    """Stage 1, EVA-SFT: 2 epochs, batch 8, learning rate 2e-6."""

    epochs: Positive = 2.0


class KtoStage(Stage):
    """Stage 2, EVA-KTO: beta 0.1, learning rate 2e-6, reference = the model it starts from."""

    per_device_batch: Count = 2
    beta: Positive = 0.1
    desirable_weight: Weight | Literal["balanced"] = "balanced"
    """`balanced`: so that both labels weigh alike whatever their share."""
    undesirable_weight: Weight = 1.0
    loss: Literal["kto", "apo_zero_unpaired"] = "kto"

    @model_validator(mode="after")
    def _has_pairs(self) -> KtoStage:
        if self.loss == "kto" and self.per_device_batch < 2:
            raise ValueError("KTO's KL term needs per_device_batch of at least 2")
        return self


class GrpoStage(Stage):
    """Stage 3, EVA-RL: 8 rollouts, batch 64, learning rate 1e-6, KL to the model it starts from."""

    batch: Count = 64
    learning_rate: Positive = 1e-6
    rollouts: Annotated[int, Field(ge=2)] = 8
    beta: Weight = 0.005
    """Weight of the KL term."""
    epsilon: Positive = 0.2
    iterations: Count = 1
    loss: str = "dapo"
    scale_rewards: Literal["group", "batch", "none"] = "group"
    generation: GenerationSettings = GenerationSettings()
    rewards: RewardSettings = RewardSettings()

    @property
    def _trajectories(self) -> int:
        return self.batch * self.rollouts
