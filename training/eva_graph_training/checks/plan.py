"""How much of a training run is checked."""

from __future__ import annotations

from dataclasses import dataclass

from eva_graph_training.errors import TrainingError


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckPlan:
    """Settings of the checks. Counts of images, tokens and learned turns are checked always.

    Attributes:
        blind_control: show the model other frames before the first optimiser step, and stop where
            that changes nothing.
        noise_multiple: how many times the noise of a repeated forward pass the change must be.
        full_batches: the first batches, of which every pixel and every learned word is compared
            with what the rows name.
        pixel_share: share of the later batches that are compared in full.

    Raises (when made):
        TrainingError: a number is out of its range.
    """

    blind_control: bool = True
    noise_multiple: float = 20.0
    full_batches: int = 2
    pixel_share: float = 0.02

    def __post_init__(self) -> None:
        if self.noise_multiple < 1 or self.full_batches < 0 or not 0 <= self.pixel_share <= 1:
            raise TrainingError(
                "checks: noise_multiple is 1 or more, full_batches 0 or more, pixel_share 0 to 1"
            )

    def in_full(self, batch: int) -> bool:
        """Whether the batch of that number, counted from 0, is compared in full.

        The numbers are spread evenly: no random generator is touched.
        """
        later = batch - self.full_batches
        if later < 0:
            return True
        return int((later + 1) * self.pixel_share) > int(later * self.pixel_share)
