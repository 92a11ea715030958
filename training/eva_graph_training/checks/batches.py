"""Batches compared with the rows that they were made of, as they leave the collator."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from eva_graph.policy.processor import ImageOnlyProcessor
from eva_graph_training.checks.places import require_places
from eva_graph_training.recipe.settings import CheckSettings
from eva_graph_training.checks.rows import RowView
from eva_graph_training.errors import BatchFault

Collator = Callable[[Sequence[Mapping[str, Any]]], dict[str, Any]]


class VerifiedCollator:
    """A collator around another, which checks what the other made.

    Args:
        inner: TRL's collator for SFT, or ours for KTO.
        processor: of the model that is trained.
        settings: how much is checked.
    """

    def __init__(
        self, inner: Collator, processor: ImageOnlyProcessor, settings: CheckSettings
    ) -> None:
        self.inner = inner
        self._processor = processor
        self._settings = settings
        self._batches = 0

    def __call__(self, examples: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
        """The inner collator's batch, unchanged.

        Raises:
            BatchFault: it is not what the rows say.
            DataError: a row's frame is no picture that can be read.
        """
        rows = [RowView.of(example) for example in examples]  # collators may change examples
        batch = self.inner(examples)
        places = require_places(batch["input_ids"], batch, self._processor)
        for number, (row, found) in enumerate(zip(rows, places, strict=True)):
            if len(row.frames) != len(found):
                raise BatchFault(
                    f"row {number} of the batch ({row.name}) names {len(row.frames)} frames, its "
                    f"tokens have {len(found)} image places: the chat template drops images"
                )
        self._batches += 1
        return batch
