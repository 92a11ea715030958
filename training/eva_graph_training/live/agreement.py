"""Whether server and trainer give the same log-probabilities to the tokens of a rollout.

Server and trainer compute them each in its own way on the same ids and frames. In float32 they
agree to about 1e-5; a server that kept old weights, sees no frames, scales logits otherwise or
serves another model is far off. In bfloat16 rounding alone makes about 0.02, so small steps are
lost in it: there the bound finds what is broken, not what is one step old.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from itertools import compress
from typing import Any

import torch

from eva_graph.policy.processor import ImageOnlyProcessor
from eva_graph_training.errors import TrainingError
from eva_graph_training.export.frames import open_frame
from eva_graph_training.rollouts import Rollout
from eva_graph_training.stages.devices import Precision

BOUNDS: Mapping[Precision, float] = {"fp32": 0.002, "bf16": 0.1}
"""Largest mean difference of log-probabilities that passes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Agreement:
    """How far server and trainer are apart.

    Attributes:
        mean, largest: absolute differences of log-probabilities.
        tokens: that were compared, all of them sampled by the policy.
    """

    mean: float
    largest: float
    tokens: int

    def require(self, bound: float, when: str) -> None:
        """Raises `TrainingError` where the mean is above the bound, or no number."""
        if self.mean <= bound:
            return
        raise TrainingError(
            f"server and trainer disagree {when}: the log-probabilities of {self.tokens} sampled "
            f"tokens differ by {self.mean:.4f} on average, more than {bound:g}. The server has "
            "other weights, another precision (serve -- --dtype float32 for fp32), or was started "
            "without --logprobs-mode processed_logprobs (`eva-graph serve MODEL --training`)"
        )


def agreement(
    model: Any,
    processor: ImageOnlyProcessor,
    rollouts: Sequence[Rollout],
    *,
    temperature: float,
    precision: Callable[[], AbstractContextManager[Any]],
) -> Agreement:
    """Compare the recorded log-probabilities of rollouts with the model's own.

    Args:
        model: under training; weights, gradients and mode stay as they are.
        processor: its processor.
        rollouts: with log-probabilities.
        temperature: that they were sampled at.
        precision: what the trainer computes in, e.g. `accelerator.autocast`.
    """
    gaps: list[float] = []
    with _evaluating(model), torch.no_grad(), precision():
        for rollout in rollouts:
            own = model_logprobs(model, processor, rollout, temperature)
            there = compress(rollout.logprobs or (), rollout.policy_mask)
            gaps += [abs(ours - theirs) for ours, theirs in zip(own, there, strict=True)]
    return Agreement(mean=sum(gaps) / len(gaps), largest=max(gaps), tokens=len(gaps))


def model_logprobs(
    model: Any, processor: ImageOnlyProcessor, rollout: Rollout, temperature: float
) -> list[float]:
    """Log-probability of each id that the policy sampled, after the ids and frames before it."""
    ids = torch.tensor([[*rollout.prompt_ids, *rollout.completion_ids]], device=model.device)
    inputs: dict[str, Any] = {"input_ids": ids, "attention_mask": torch.ones_like(ids)}
    if rollout.frames:
        pictures = [open_frame(frame) for frame in rollout.frames]
        images = processor.image_processor(images=pictures, return_tensors="pt")
        inputs |= {name: value.to(model.device) for name, value in images.items()}
        inputs["mm_token_type_ids"] = (ids == processor.image_token_id).int()
    own = [0] * len(rollout.prompt_ids) + list(rollout.policy_mask)
    places = torch.tensor(own, device=model.device).nonzero().squeeze(1)
    outputs = model(**inputs, use_cache=False, logits_to_keep=places - 1)  # all would be gigabytes
    logits = outputs.logits[0].float() / temperature
    taken = logits.gather(1, ids[0, places, None]).squeeze(1)
    found: list[float] = (taken - logits.logsumexp(dim=-1)).tolist()
    return found


@contextmanager
def _evaluating(model: Any) -> Iterator[None]:
    """Without dropout and activation checkpointing."""
    was_training = model.training
    model.eval()
    try:
        yield
    finally:
        model.train(was_training)
