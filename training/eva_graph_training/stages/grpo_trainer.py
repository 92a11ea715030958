"""TRL's GRPOTrainer whose tool loop ends rollouts where the graph ends episodes.

It rests on private methods of TRL 1.16 (`_generate_single_turn`, `_tool_call_loop`,
`_calculate_rewards`); the parity table (tests/training/test_grpo_parity.py) covers them.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from trl import GRPOTrainer

from eva_graph_training.env import VideoEnvironment
from eva_graph_training.rewards.attempt import Attempt
from eva_graph_training.rewards.metrics import rollout_metrics
from eva_graph_training.rollouts import drop_empty_vision


class EpisodeTrainer(GRPOTrainer):
    """Plays rollouts in `VideoEnvironment`s, in a context of a given length.

    Args:
        context_tokens: ids of prompt and completion together: a turn is cut where it is full, and
            a reply that does not fit ends the rollout, as in the graph.
        kwargs: GRPOTrainer's; `environment_factory` makes `VideoEnvironment`s.
    """

    def __init__(self, *, context_tokens: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._context_tokens = context_tokens
        for model in (self.model, self.ref_model):
            if model is not None:
                drop_empty_vision(self.accelerator.unwrap_model(model))

    def _generate_single_turn(
        self,
        prompt_ids: list[list[int]],
        images: Any,
        multimodal_fields: dict[str, Any],
        num_generations: int,
        has_tool_images: bool = False,
    ) -> tuple[list[list[int]], list[list[float]] | None]:
        # TRL asks whether any rollout of the batch has images, not whether one of these has: those
        # that were only told errors would then be given `token_type_ids`, which Qwen refuses.
        has_images = has_tool_images and "image_grid_thw" in multimodal_fields
        generate: Any = super()._generate_single_turn
        written, logprobs = generate(
            prompt_ids, images, multimodal_fields, num_generations, has_tool_images=has_images
        )
        rooms = [self._context_tokens - len(prompt) for prompt in prompt_ids]
        return _cut(written, rooms), None if logprobs is None else _cut(logprobs, rooms)

    def _tool_call_loop(self, *args: Any, **kwargs: Any) -> Any:
        play: Any = super()._tool_call_loop
        with self._in_context():
            played = play(*args, **kwargs)
        for environment in self._played_in():
            if environment.failure is not None:
                raise environment.failure  # TRL would let the policy read it, and train on that
        return played

    def _played_in(self) -> list[VideoEnvironment]:
        return list(self.environments or ())

    @contextmanager
    def _in_context(self) -> Iterator[None]:
        """TRL takes back replies that do not fit into what the model's configuration says."""
        model: Any = self.model
        config = model.config.text_config
        longest = config.max_position_embeddings
        config.max_position_embeddings = self._context_tokens
        try:
            yield
        finally:
            config.max_position_embeddings = longest

    def _calculate_rewards(
        self, inputs: Any, prompts: Any, completions: Sequence[Any], completion_ids: Any
    ) -> Any:
        pairs = zip(self._played_in(), completions, strict=True)
        attempts = [Attempt.of_rollout(one.account, messages) for one, messages in pairs]
        for name, value in rollout_metrics(attempts).items():
            self._log_metric(name, value)
        return super()._calculate_rewards(inputs, prompts, completions, completion_ids)


def _cut(rows: Sequence[Sequence[Any]], lengths: Sequence[int]) -> list[list[Any]]:
    return [list(row[:length]) for row, length in zip(rows, lengths, strict=True)]
