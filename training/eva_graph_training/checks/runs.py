"""Stretches of equal flags in the rows of a batch: image places, learned turns."""

from __future__ import annotations

import torch

Run = tuple[int, int]
"""First column, and the one after the last."""


def runs_of(flags: torch.Tensor) -> list[list[Run]]:
    """The stretches of true flags in each of the B rows of `flags` (B x T, bool)."""
    present = flags.to(torch.int8)
    edge = present.new_zeros(len(present), 1)
    steps = torch.diff(torch.cat([edge, present, edge], dim=1), dim=1)
    starts, ends = (steps == 1).nonzero().tolist(), (steps == -1).nonzero().tolist()
    runs: list[list[Run]] = [[] for _ in range(len(flags))]
    for (row, start), (_, end) in zip(starts, ends, strict=True):
        runs[row].append((start, end))
    return runs
