"""The mixin that guards SFT and KTO; GRPO's (`checks.rollouts`) builds on it."""

from __future__ import annotations

from typing import Any

import torch
from transformers import Trainer

from eva_graph.policy.processor import ImageOnlyProcessor
from eva_graph_training.checks.batches import VerifiedCollator
from eva_graph_training.checks.places import require_places
from eva_graph_training.recipe.settings import CheckSettings
from eva_graph_training.errors import TrainingError


class SightCheck(Trainer):
    """First base of a checked trainer: `class CheckedSft(SightCheck, SFTTrainer)`.

    Every batch is verified as it leaves the collator and again as it reaches the loss; a fault
    stops the run.

    Args:
        checks: how much is checked.
        kwargs: of the TRL trainer; `processing_class` is an `ImageOnlyProcessor`.

    Raises (when made):
        TrainingError: it is not.
    """

    def __init__(self, *, checks: CheckSettings | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        if not isinstance(self.processing_class, ImageOnlyProcessor):
            raise TrainingError("checked trainers need a processor of load_processor(FOLDER)")
        self.checks = checks or CheckSettings()
        self._processor = self.processing_class
        self._guard_collator()

    def _guard_collator(self) -> None:
        inner: Any = self.data_collator
        self.data_collator = VerifiedCollator(inner, self._processor, self.checks)

    def compute_loss(
        self,
        model: Any,
        inputs: dict[str, Any],
        return_outputs: bool = False,
        num_items_in_batch: torch.Tensor | int | None = None,
    ) -> Any:
        """The trainer's loss.

        Raises:
            BatchFault: images were dropped between collator and loss.
        """
        require_places(sequence_ids(inputs), inputs, self._processor)
        return super().compute_loss(model, inputs, return_outputs, num_items_in_batch)


def sequence_ids(inputs: dict[str, Any]) -> torch.Tensor:
    """The B x T ids of a batch of any stage."""
    if "input_ids" in inputs:
        ids: torch.Tensor = inputs["input_ids"]
        return ids
    return torch.cat([inputs["prompt_ids"], inputs["completion_ids"]], dim=1)
