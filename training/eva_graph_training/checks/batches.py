"""Batches compared with the rows that they were made of, as they leave the collator."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from eva_graph.policy.processor import ImageOnlyProcessor
from eva_graph_training.checks.pixels import require_pixels
from eva_graph_training.checks.places import require_frames, require_places, require_rendered
from eva_graph_training.checks.rows import RowView, messages_of
from eva_graph_training.checks.turns import require_turns
from eva_graph_training.recipe.settings import CheckSettings

Collator = Callable[[Sequence[Mapping[str, Any]]], dict[str, Any]]


class FullChecks:
    """Says which batches are compared in full: the first ones, and an even share of the later.

    Counting alone decides, so that no random generator is touched.
    """

    def __init__(self, settings: CheckSettings) -> None:
        self._settings = settings
        self._batches = 0

    def due(self) -> bool:
        """Whether the next batch is one of them; counts it."""
        later = self._batches - self._settings.full_batches
        self._batches += 1
        share = self._settings.pixel_share
        return later < 0 or int((later + 1) * share) > int(later * share)


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
        self._full = FullChecks(settings)

    def __call__(self, examples: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
        """The inner collator's batch, unchanged.

        Raises:
            BatchFault: it is not what the rows say.
            DataError: a row's frame is no picture that can be read.
        """
        rows = [RowView.of(example, number) for number, example in enumerate(examples)]
        full = self._full.due()
        if full:
            for row, example in zip(rows, examples, strict=True):
                require_rendered(row.name, messages_of(example), self._processor)
        batch = self.inner(examples)
        places = require_places(batch, self._processor)
        require_frames(rows, places)
        require_turns(rows, batch, self._processor, words=full)
        if full:
            require_pixels(rows, batch, self._processor)
        return batch
