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
from eva_graph_training.checks.rows import RowView, frames_of
from eva_graph_training.checks.runs import Run, runs_of
from eva_graph_training.errors import BatchFault


def sequence_ids(batch: Mapping[str, Any]) -> torch.Tensor:
    """The B x T ids of a batch of any stage."""
    if "input_ids" in batch:
        ids: torch.Tensor = batch["input_ids"]
        return ids
    return torch.cat([batch["prompt_ids"], batch["completion_ids"]], dim=1)


def require_places(batch: Mapping[str, Any], processor: ImageOnlyProcessor) -> list[list[Run]]:
    """The image places of each row, after their check against grid rows and pixel rows.

    Args:
        batch: token ids, and perhaps `image_grid_thw` (images x 3) and `pixel_values` (patches x
            features).
        processor: of the model that is trained.

    Raises:
        BatchFault: tokens, grid rows and pixel rows do not stand for one another.
    """
    places = runs_of(sequence_ids(batch) == processor.image_token_id)
    grids, pixels = batch.get("image_grid_thw"), batch.get("pixel_values")
    shown = 0 if pixels is None else int(pixels.shape[0])
    patches: list[int] = [] if grids is None else grids.prod(dim=1).tolist()
    found = sum(map(len, places))
    if found and not shown:
        raise BatchFault(
            f"the batch's tokens have {found} image places, and there are no pixel_values: the "
            "images were dropped on the way (TRL drops those of a rollout_func)"
        )
    if shown != sum(patches):
        raise BatchFault(f"{shown} rows of pixel_values for {sum(patches)} patches of the grids")
    if found == len(patches):
        _require_sizes(places, patches, processor.image_processor.merge_size**2)
    elif found:
        raise BatchFault(
            f"the batch's tokens have {found} image places, its grids {len(patches)} rows: the "
            "chat template drops images, or a length limit cuts them"
        )
    return places


def require_rendered(
    name: str, messages: Sequence[Mapping[str, Any]], processor: ImageOnlyProcessor
) -> None:
    """Check that the chat template writes an image token for each frame of a conversation.

    Processors stop there too, but name neither a row nor a cause.

    Args:
        name: of the row or rollout, for the message.
        messages: as the consumer renders them.
        processor: of the model that is trained.

    Raises:
        BatchFault: it does not.
    """
    text: str = processor.tokenizer.apply_chat_template(
        list(messages), chat_template=processor.chat_template, tokenize=False
    )
    shown, found = len(frames_of(messages)), text.count(processor.image_token)
    if found != shown:
        raise BatchFault(
            f"{name} shows {shown} frames, its text has {found} image places: the chat template "
            "drops images"
        )


def require_frames(rows: Sequence[RowView], places: Sequence[Sequence[Run]]) -> None:
    """Check that every row has an image place for each of its frames.

    Raises:
        BatchFault: one has not; the message names it.
    """
    for row, found in zip(rows, places, strict=True):
        if len(row.frames) != len(found):
            raise BatchFault(
                f"{row.name} shows {len(row.frames)} frames, its tokens have {len(found)} image "
                "places: the chat template drops images, or TRL does"
            )


def _require_sizes(
    places: Sequence[Sequence[Run]], patches: Sequence[int], patches_per_token: int
) -> None:
    expected = iter(patches)
    for row, runs in enumerate(places):
        for number, (start, end) in enumerate(runs):
            tokens = next(expected) // patches_per_token
            if end - start != tokens:
                raise BatchFault(
                    f"row {row} of the batch, frame {number}: {end - start} image tokens stand "
                    f"for {tokens}: images are out of order, or a length limit cut the row"
                )
