"""Lessons as token rows: image pads expanded, positions in three axes, loss on the assistant."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray
from transformers import PreTrainedTokenizerFast

from eva_graph_training.base.lessons import IMAGE, Lesson
from eva_graph_training.base.patches import VISUAL_TOKEN_PIXELS
from eva_graph_training.base.views import VIEWS, view_of
from eva_graph_training.nano.tokens import IMAGE_PAD, token_id
from eva_graph_training.world.solving import Sighting

IGNORED: Final = -100
FOUND_WEIGHT: Final = 4.0
_FOUND = re.compile(r"(?<= at \[)[\d:]+|(?<=letter is )\w|(?<=code is )\d+|(?<=option )\w")
"""What a reflection tells beside foreseeable words: times, letters, codes."""

Grid = tuple[int, int]
"""Merged patches down and across."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenRow:
    """One lesson: ids (n,), labels (n,), -100 outside assistant turns, positions (3, n).

    `weights` (n,) says what each label counts for in the loss.
    """

    ids: NDArray[np.int64]
    labels: NDArray[np.int64]
    weights: NDArray[np.float32]
    positions: NDArray[np.int64]
    lesson: Lesson

    @property
    def sightings(self) -> tuple[Sighting, ...]:
        """What the images show."""
        return self.lesson.sightings


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenBatch:
    """Rows padded on the right: ids, labels and weights (b, n), positions (3, b, n)."""

    ids: torch.Tensor
    labels: torch.Tensor
    weights: torch.Tensor
    positions: torch.Tensor
    rows: tuple[TokenRow, ...]


def encode(lesson: Lesson, tokenizer: PreTrainedTokenizerFast) -> TokenRow:
    """The tokens that the chat template gives, every image pad repeated as often as it costs."""
    pad = token_id(tokenizer, IMAGE_PAD)
    grids = [_grid(seen) for seen in lesson.sightings]
    sizes = iter([down * across for down, across in grids])
    ids: list[int] = []
    labels: list[int] = []
    weights: list[float] = []
    for number, (role, text) in enumerate(lesson.messages):
        newline = "\n" if number else ""
        head = tokenizer.encode(f"{newline}<|im_start|>{role}\n", add_special_tokens=False)
        body = tokenizer.encode(f"{text}<|im_end|>", add_special_tokens=False)
        if IMAGE in text:
            body = [repeated for token in body for repeated in _expand(token, pad, sizes)]
        told = role == "assistant"
        ids += head + body
        labels += [IGNORED] * len(head) + (body if told else [IGNORED] * len(body))
        weights += [0.0] * len(head)
        weights += _weights(text, tokenizer) if told else [0.0] * len(body)
    row = np.array(ids)
    return TokenRow(
        ids=row,
        labels=np.array(labels),
        weights=np.array(weights, dtype=np.float32),
        positions=rope_positions(row, pad, grids),
        lesson=lesson,
    )


def rope_positions(ids: NDArray[np.int64], pad: int, grids: Sequence[Grid]) -> NDArray[np.int64]:
    """Qwen2.5-VL's positions (3, n) for still images of `grids` merged patches."""
    positions = np.empty((3, len(ids)), dtype=np.int64)
    clock = place = 0
    images = iter(grids)
    while place < len(ids):
        if ids[place] != pad:
            positions[:, place] = clock
            clock, place = clock + 1, place + 1
            continue
        down, across = next(images)
        rows, columns = np.divmod(np.arange(down * across), across)
        positions[:, place : place + len(rows)] = clock + np.stack([0 * rows, rows, columns])
        clock, place = clock + max(down, across), place + len(rows)
    return positions


def collate(rows: Sequence[TokenRow], filler: int) -> TokenBatch:
    """Pad to the longest row. Padding follows all tokens, so causal attention never reads it."""
    width = max(len(row.ids) for row in rows)
    ids = np.full((len(rows), width), filler)
    labels = np.full((len(rows), width), IGNORED)
    weights = np.zeros((len(rows), width), dtype=np.float32)
    positions = np.zeros((3, len(rows), width), dtype=np.int64)
    for number, row in enumerate(rows):
        ids[number, : len(row.ids)] = row.ids
        labels[number, : len(row.ids)] = row.labels
        weights[number, : len(row.ids)] = row.weights
        positions[:, number, : len(row.ids)] = row.positions
    return TokenBatch(
        ids=torch.from_numpy(ids),
        labels=torch.from_numpy(labels),
        weights=torch.from_numpy(weights),
        positions=torch.from_numpy(positions),
        rows=tuple(rows),
    )


def batches_of(rows: Sequence[TokenRow], token_budget: int) -> Iterator[list[TokenRow]]:
    """Rows of like length together, each batch within the budget of padded tokens."""
    batch: list[TokenRow] = []
    for row in sorted(rows, key=lambda row: len(row.ids)):
        if batch and (len(batch) + 1) * len(row.ids) > token_budget:
            yield batch
            batch = []
        batch.append(row)
    if batch:
        yield batch


def _grid(seen: Sighting) -> Grid:
    view = VIEWS[view_of(seen.width_pixels, seen.box)]
    return view.height // VISUAL_TOKEN_PIXELS, view.width // VISUAL_TOKEN_PIXELS


def _weights(text: str, tokenizer: PreTrainedTokenizerFast) -> list[float]:
    """One weight for each token of an assistant turn, its closing token included."""
    found = [match.span() for match in _FOUND.finditer(text)]
    offsets = tokenizer(text, add_special_tokens=False, return_offsets_mapping=True).offset_mapping
    return [
        FOUND_WEIGHT if any(low <= start < high for low, high in found) else 1.0
        for start, _ in offsets
    ] + [1.0]


def _expand(token: int, pad: int, sizes: Iterator[int]) -> list[int]:
    return [pad] * next(sizes) if token == pad else [token]
