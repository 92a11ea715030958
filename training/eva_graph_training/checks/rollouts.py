"""The mixin that guards GRPO: rollouts are compared with the frames that they showed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from eva_graph_training.checks.batches import FullChecks
from eva_graph_training.checks.pixels import require_pixels
from eva_graph_training.checks.places import require_frames, require_places, require_rendered
from eva_graph_training.checks.rows import Frame, RowView, frames_of, question_of, text_of
from eva_graph_training.checks.sight import SightCheck
from eva_graph_training.checks.turns import require_policy_turns
from eva_graph_training.errors import BatchFault
from eva_graph_training.rollouts import ExactRolloutTrainer

_COMPLETIONS, _IMAGES = 3, 6
"""Places of message lists and images in the tuple that TRL 1.16's private `_generate` returns."""


class RolloutSightCheck(SightCheck):
    """First base of a checked GRPO trainer: `class CheckedGrpo(RolloutSightCheck, GRPOTrainer)`.

    Every generation batch is verified as it is made, before any of it is learned: TRL's own
    `rollout_func` gives it no images, and TRL drops all of them without a word where tokens and
    features differ. See `SightCheck` for the rest.
    """

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._full = FullChecks(self._checks)
        self._played: list[RowView] = []
        self._images_forwarded = False
        self._template_proven = False

    def shown_frames(
        self, prompts: Sequence[Any], completions: Sequence[Any]
    ) -> Sequence[Sequence[Frame]]:
        """The frames that each rollout showed, in order: the image parts of its messages.

        A trainer whose messages carry no images overrides it.

        Args:
            prompts: message lists as they were generated from.
            completions: message lists, tool messages included.
        """
        pairs = zip(prompts, completions, strict=True)
        return [frames_of([*prompt, *completion]) for prompt, completion in pairs]

    def _guard_collator(self) -> None:
        """GRPO's collator hands rows through: there is nothing to check yet."""

    def _generate(self, prompts: list[Any]) -> tuple[Any, ...]:
        outputs: tuple[Any, ...] = super()._generate(prompts)  # type: ignore[misc]
        completions = outputs[_COMPLETIONS]
        self._images_forwarded = outputs[_IMAGES] is not None
        shown = self.shown_frames(prompts, completions)
        self._played = [
            RowView(
                name=f"rollout {number} ({question_of(prompts[number])})",
                frames=tuple(frames),
                learned=tuple(
                    text_of(message)
                    for message in completions[number]
                    if message["role"] == "assistant"
                ),
            )
            for number, frames in enumerate(shown)
        ]
        return outputs

    def _get_tool_suffix_ids(self, tool_messages: list[Any]) -> list[int]:
        shown = frames_of(tool_messages)
        if shown and not self._template_proven:
            asked = {"role": "user", "content": ""}  # templates begin with a user
            require_rendered("a tool turn", [asked, *tool_messages], self._processor)
            self._template_proven = True
        ids: list[int] = super()._get_tool_suffix_ids(tool_messages)  # type: ignore[misc]
        return ids

    def _generate_and_score_completions(self, inputs: list[Any]) -> dict[str, Any]:
        batch: dict[str, Any] = super()._generate_and_score_completions(inputs)  # type: ignore[misc]
        self._verify(batch)
        return batch

    def _verify(self, batch: Mapping[str, Any]) -> None:
        shown = sum(len(row.frames) for row in self._played)
        if shown and self._images_forwarded and "pixel_values" not in batch:
            raise BatchFault(
                f"TRL dropped all {shown} images of the batch, because tokens and pixels differ: "
                "the image processor changes frames, or the chat template drops images"
            )
        places = require_places(batch, self._processor)
        require_frames(self._played, places)
        require_policy_turns(self._played, batch, self._processor)
        if self._full.due():
            require_pixels(self._played, batch, self._processor)


class CheckedExactRollouts(RolloutSightCheck, ExactRolloutTrainer):
    """`ExactRolloutTrainer`, checked against the frames of its source's rollouts."""

    def shown_frames(
        self, prompts: Sequence[Any], completions: Sequence[Any]
    ) -> Sequence[Sequence[Frame]]:
        """The rollouts' own frames: their messages are text."""
        return [rollout.frames for rollout in self._playing]
