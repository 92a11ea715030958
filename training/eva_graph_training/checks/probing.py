"""A look at what a trainer's loss makes of a batch, without leaving a trace in the run."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch

from eva_graph_training.checks.places import sequence_ids
from eva_graph_training.checks.turns import learned_mask
from eva_graph_training.errors import TrainingError

Loss = Callable[[Any, dict[str, Any]], Any]
"""The trainer's own `compute_loss`: model and batch."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """What one forward pass of the loss gave.

    Attributes:
        logprobs: of the learned tokens behind a frame, float64.
        had_pixels: whether the model was called with `pixel_values`.
    """

    logprobs: torch.Tensor
    had_pixels: bool


def seeing_tokens(batch: Mapping[str, Any], image_token_id: int) -> torch.Tensor:
    """Learned tokens with a frame before them in their row (bool, the last columns of the ids).

    Only their log-probabilities can depend on frames. The first column is never predicted.
    """
    ids, mask = sequence_ids(batch), learned_mask(batch)
    width = min(mask.shape[1], ids.shape[1] - 1)
    behind = (ids == image_token_id).cumsum(dim=1) > 0
    return mask[:, -width:] & behind[:, -width:]


def read_logprobs(
    model: Any, batch: Mapping[str, Any], loss: Loss, tokens: torch.Tensor
) -> Reading:
    """Run the trainer's loss on a batch and read what the model gave it.

    Args:
        model: as `compute_loss` gets it.
        batch: prepared inputs; left as they are.
        loss: the trainer's.
        tokens: see `seeing_tokens`.

    Raises:
        TrainingError: the loss does not run the model on the batch's ids.
    """
    ids = sequence_ids(batch)
    readings: list[Reading] = []

    def read(_: Any, __: Any, kwargs: Mapping[str, Any], output: Any) -> None:
        given = kwargs.get("input_ids")
        if readings or given is None or not torch.equal(given, ids):
            return  # KTO also runs its mismatched pairs
        logprobs = output.log_probs[:, -tokens.shape[1] :][tokens]
        pixels = kwargs.get("pixel_values")
        readings.append(
            Reading(
                logprobs=logprobs.detach().to("cpu", torch.float64),
                had_pixels=pixels is not None and len(pixels) > 0,
            )
        )

    handle = model.register_forward_hook(read, with_kwargs=True)
    try:
        loss(model, dict(batch))
    finally:
        handle.remove()
    if not readings:
        raise TrainingError("blind control: the loss does not run the model on the batch's tokens")
    return readings[0]


@contextmanager
def undisturbed(trainer: Any, model: Any) -> Iterator[None]:
    """Evaluation mode without gradients; modes, metrics and random generators are put back."""
    modes = [(module, module.training) for module in model.modules()]
    metrics = copy.deepcopy(trainer._metrics)
    devices = [torch.cuda.current_device()] if torch.cuda.is_available() else []
    model.eval()
    try:
        with torch.no_grad(), torch.random.fork_rng(devices=devices):
            yield
    finally:
        for module, training in modes:
            module.training = training
        trainer._metrics = metrics
