"""The mixin that guards GRPO: rollouts are compared with the frames that they showed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from eva_graph_training.checks.places import require_places
from eva_graph_training.checks.rows import Frame, frames_of
from eva_graph_training.checks.sight import SightCheck, sequence_ids
from eva_graph_training.errors import BatchFault

_COMPLETIONS = 3
"""Place of the message lists in the tuple that TRL 1.16's private `_generate` returns."""


class RolloutSightCheck(SightCheck):
    """First base of a checked GRPO trainer: `class CheckedGrpo(RolloutSightCheck, GRPOTrainer)`.

    Every generation batch is verified as it is made, before any of it is learned: TRL's own
    `rollout_func` gives it no images, and TRL drops all of them without a word where tokens and
    features differ.
    """

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._shown: list[list[Frame]] = []

    def _guard_collator(self) -> None:
        """GRPO's collator hands rows through: there is nothing to check yet."""

    def shown_frames(self, prompts: Sequence[Any], completions: Sequence[Any]) -> list[list[Frame]]:
        """The frames that each rollout showed, in order: the image parts of its messages.

        A trainer whose messages carry no images overrides it.

        Args:
            prompts: message lists as they were generated from.
            completions: message lists, tool messages included.
        """
        pairs = zip(prompts, completions, strict=True)
        return [[*frames_of(prompt), *frames_of(completion)] for prompt, completion in pairs]

    def _generate(self, prompts: list[Any]) -> tuple[Any, ...]:
        outputs: tuple[Any, ...] = super()._generate(prompts)  # type: ignore[misc]
        self._shown = self.shown_frames(prompts, outputs[_COMPLETIONS])
        return outputs

    def _generate_and_score_completions(self, inputs: list[Any]) -> dict[str, Any]:
        batch: dict[str, Any] = super()._generate_and_score_completions(inputs)  # type: ignore[misc]
        self._verify(batch)
        return batch

    def _verify(self, batch: Mapping[str, Any]) -> None:
        places = require_places(sequence_ids(dict(batch)), batch, self._processor)
        for number, (frames, found) in enumerate(zip(self._shown, places, strict=True)):
            if len(frames) != len(found):
                raise BatchFault(
                    f"rollout {number} was shown {len(frames)} frames, its tokens have "
                    f"{len(found)} image places: the chat template drops images"
                )
