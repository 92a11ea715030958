"""Image places of token rows, grid rows and pixel rows: whether they stand for one another.

A place is a run of image tokens; the chat template puts one between each two vision marks. Grid row
k says how many patches picture k has, `pixel_values` holds the patches of all pictures in order,
and `merge_size`² patches share one token.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch

from eva_graph.policy.processor import ImageOnlyProcessor
from eva_graph_training.errors import BatchFault


def image_places(ids: torch.Tensor, image_token_id: int) -> list[list[int]]:
    """Lengths of the runs of image tokens in each of the B rows of `ids` (B x T)."""
    image = (ids == image_token_id).to(torch.int8)
    edge = image.new_zeros(len(image), 1)
    steps = torch.diff(torch.cat([edge, image, edge], dim=1), dim=1)
    starts, ends = (steps == 1).nonzero().tolist(), (steps == -1).nonzero().tolist()
    places: list[list[int]] = [[] for _ in range(len(ids))]
    for (row, start), (_, end) in zip(starts, ends, strict=True):
        places[row].append(end - start)
    return places


def require_places(
    ids: torch.Tensor, batch: Mapping[str, Any], processor: ImageOnlyProcessor
) -> list[list[int]]:
    """The image places of each row, after their check against grid rows and pixel rows.

    Args:
        ids: B x T token ids.
        batch: may hold `image_grid_thw` (images x 3) and `pixel_values` (patches x features).
        processor: of the model that is trained.

    Raises:
        BatchFault: tokens, grid rows and pixel rows do not stand for one another.
    """
    places = image_places(ids, processor.image_token_id)
    grids, pixels = batch.get("image_grid_thw"), batch.get("pixel_values")
    shown = 0 if pixels is None else int(pixels.shape[0])
    patches = [] if grids is None else grids.prod(dim=1).tolist()
    found = sum(map(len, places))
    if found and not shown:
        raise BatchFault(
            f"the batch's tokens have {found} image places, and there are no pixel_values: the "
            "images were dropped on the way (TRL's own rollout_func drops them)"
        )
    if shown != sum(patches):
        raise BatchFault(f"{shown} rows of pixel_values for {sum(patches)} patches of the grids")
    _match(places, patches, processor.image_processor.merge_size**2)
    return places


def _match(places: Sequence[Sequence[int]], patches: Sequence[int], merged: int) -> None:
    if sum(map(len, places)) != len(patches):
        raise BatchFault(
            f"the batch's tokens have {sum(map(len, places))} image places, its grids "
            f"{len(patches)} rows: the chat template drops images or a length limit cuts them"
        )
    expected = iter(patches)
    for row, lengths in enumerate(places):
        for number, length in enumerate(lengths):
            size = next(expected) // merged
            if length != size:
                raise BatchFault(
                    f"row {row} of the batch, frame {number}: {length} image tokens stand for "
                    f"{size}: a length limit cuts the row, or images are out of order"
                )
