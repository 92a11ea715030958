"""The mixin that guards SFT and KTO; GRPO's (`checks.rollouts`) builds on it."""

from __future__ import annotations

from typing import Any

import torch
from transformers import Trainer

from eva_graph.policy.processor import ImageOnlyProcessor
from eva_graph_training.checks.batches import VerifiedCollator
from eva_graph_training.checks.blind import BlindControl, Sight
from eva_graph_training.checks.places import require_places
from eva_graph_training.errors import TrainingError
from eva_graph_training.recipe.settings import CheckSettings


class SightCheck(Trainer):
    """First base of a checked trainer: `class CheckedSft(SightCheck, SFTTrainer)`.

    Every batch is verified as it leaves the collator and again as it reaches the loss, and the
    blind control runs before the first optimiser step. A fault stops the run. Weights, gradients,
    random generators, order of the data and logged figures are those of the trainer without it.

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
        self._checks = checks or CheckSettings()
        self._processor = self.processing_class
        self._control = BlindControl(self._checks, self._processor.image_token_id)
        self._guard_collator()

    @property
    def sight(self) -> Sight | None:
        """What the blind control measured, once it did."""
        return self._control.sight

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
            BlindRun: the model does not see its frames.
        """
        require_places(inputs, self._processor)
        if model.training:
            self._control.before_step(self, model, inputs, super().compute_loss)
        return super().compute_loss(model, inputs, return_outputs, num_items_in_batch)

    def _guard_collator(self) -> None:
        inner: Any = self.data_collator
        self.data_collator = VerifiedCollator(inner, self._processor, self._checks)
