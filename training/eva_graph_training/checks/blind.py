"""The blind control: what a model learns to write must depend on the frames it is shown.

A run whose frames are lost on the way trains as smoothly as a sound one. So before the first
optimiser step one batch is scored four times by the trainer's own loss: as it is, as it is once
more, with its frames swapped, and with blank ones. The log-probabilities of the learned tokens that
stand behind a frame must change by a multiple of what the mere repetition changes, and the loss
must move.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch

from eva_graph_training.checks.probing import (
    Loss,
    Reading,
    read_logprobs,
    seeing_tokens,
    undisturbed,
)
from eva_graph_training.errors import BlindRun
from eva_graph_training.recipe.settings import CheckSettings

_PATIENCE_BATCHES = 16
_CLEAR_SWAP = 0.1
"""A swap is judged where it changes the pixels at least this share of what blanking changes."""

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """How far other frames, or a mere repetition, move a batch's scores, in nats.

    Attributes:
        logprobs: mean absolute change of a learned token's log-probability.
        loss: absolute change of their mean.
    """

    logprobs: float
    loss: float

    @classmethod
    def between(cls, first: Reading, second: Reading) -> Change:
        """The change from one reading to another."""
        difference = second.logprobs - first.logprobs
        return cls(logprobs=float(difference.abs().mean()), loss=float(difference.mean().abs()))


@dataclass(frozen=True, slots=True, kw_only=True)
class Sight:
    """What the control measured.

    Attributes:
        noise: of repeating the batch unchanged, at least the resolution of float32.
        swapped: of swapping frames; None where the batch holds no two that clearly differ.
        blanked: of grey frames.
        had_pixels: whether `pixel_values` reached the model.
    """

    noise: Change
    swapped: Change | None
    blanked: Change
    had_pixels: bool

    def __str__(self) -> str:
        swapped = "" if self.swapped is None else f"swapped frames {self.swapped.logprobs:.1e}, "
        return (
            f"{swapped}blank frames {self.blanked.logprobs:.1e}, "
            f"mere repetition {self.noise.logprobs:.1e} nats a token"
        )

    def require(self, noise_multiple: float) -> None:
        """Raises `BlindRun` where the frames change too little; the message names the cause."""
        for change in (self.swapped, self.blanked):
            if change is not None and not self._clear(change, noise_multiple):
                cause = (
                    "pixel_values reach the model and change nothing that it learns"
                    if self.had_pixels
                    else "the model is called without pixel_values"
                )
                raise BlindRun(
                    f"the run does not see its frames: {cause} ({self}; "
                    f"{noise_multiple:g} times the repetition is asked)"
                )

    def _clear(self, change: Change, noise_multiple: float) -> bool:
        enough = change.logprobs >= noise_multiple * self.noise.logprobs
        return enough and change.loss > self.noise.loss


class BlindControl:
    """Waits for the first batch that can be judged, judges it once.

    Args:
        settings: whether, and how strictly.
        image_token_id: of the tokenizer.
    """

    def __init__(self, settings: CheckSettings, image_token_id: int) -> None:
        self._settings = settings
        self._image_token_id = image_token_id
        self._waited = 0
        self.sight: Sight | None = None
        """What was measured, once it was."""

    def before_step(self, trainer: Any, model: Any, batch: Mapping[str, Any], loss: Loss) -> None:
        """Judge a prepared training batch, unless one was judged or this one cannot be.

        Every process takes part or none does: sharded models run in step.

        Raises:
            BlindRun: the run does not see its frames.
        """
        if not self._settings.blind_control or self.sight is not None:
            return
        tokens = seeing_tokens(batch, self._image_token_id)
        if not _everywhere(trainer.accelerator, bool(tokens.any())):
            self._wait()
            return
        with undisturbed(trainer, model):
            self.sight = _measured(trainer.accelerator, model, batch, loss, tokens)
        self.sight.require(self._settings.noise_multiple)
        log.info("blind control: %s", self.sight)

    def _wait(self) -> None:
        self._waited += 1
        if self._waited == _PATIENCE_BATCHES:
            log.warning(
                "blind control: in the first %d batches no learned turn follows a frame, so "
                "nothing shows yet that the run sees any: look at the data set",
                self._waited,
            )


def swapped_frames(pixels: torch.Tensor, grids: torch.Tensor) -> torch.Tensor:
    """The patches with each picture in the place of the next one of its size.

    Args:
        pixels: patches x features.
        grids: images x 3, patches of each.
    """
    pictures = list(pixels.split(grids.prod(dim=1).tolist()))
    sizes: dict[tuple[int, ...], list[int]] = {}
    for place, grid in enumerate(grids.tolist()):
        sizes.setdefault(tuple(grid), []).append(place)
    moved = list(pictures)
    for places in sizes.values():
        for place, other in zip(places, [*places[1:], places[0]], strict=True):
            moved[place] = pictures[other]
    return torch.cat(moved)


def _measured(
    accelerator: Any, model: Any, batch: Mapping[str, Any], loss: Loss, tokens: torch.Tensor
) -> Sight:
    def reading(**changed: torch.Tensor) -> Reading:
        return read_logprobs(model, {**batch, **changed}, loss, tokens)

    pixels = batch["pixel_values"]
    swapped = swapped_frames(pixels, batch["image_grid_thw"])
    differ = (swapped - pixels).abs().mean() >= _CLEAR_SWAP * pixels.abs().mean()
    clear = _everywhere(accelerator, bool(differ))  # all processes run the loss equally often
    first = reading()
    noise = Change.between(first, reading())
    other = Change.between(first, reading(pixel_values=swapped))  # in every process, or they hang
    resolution = torch.finfo(torch.float32).eps * float(first.logprobs.abs().mean())
    return Sight(
        noise=Change(logprobs=max(noise.logprobs, resolution), loss=noise.loss),
        swapped=other if clear else None,
        blanked=Change.between(first, reading(pixel_values=torch.zeros_like(pixels))),
        had_pixels=first.had_pixels,
    )


def _everywhere(accelerator: Any, here: bool) -> bool:
    """Whether all processes say so."""
    if accelerator.num_processes == 1:
        return here
    said = torch.tensor([int(here)], device=accelerator.device)
    return bool(accelerator.gather(said).min())
