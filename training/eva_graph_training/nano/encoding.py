"""Rehearsals as token rows: image pads expanded, positions in three axes, loss on the assistant."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from transformers import PreTrainedTokenizerFast

from eva_graph_training.nano.rehearsal import IMAGE, Rehearsal
from eva_graph_training.nano.tokens import IMAGE_PAD, token_id
from eva_graph_training.world.teacher import Sighting

IGNORED = -100
FOUND_WEIGHT = 6.0
_FOUND = re.compile(r"(?<=border is at \[)[\d:]+")
VISUAL_TOKEN_PIXELS = 28


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenRow:
    """One conversation: ids (n,), labels (n,), -100 outside assistant turns, positions (3, n)."""

    ids: NDArray[np.int64]
    labels: NDArray[np.int64]
    weights: NDArray[np.float32]
    """What each label counts for in the loss, (n,): `FOUND_WEIGHT` where a place is first told."""
    positions: NDArray[np.int64]
    turns: tuple[tuple[int, int, str], ...]
    """Start, end and text of every assistant turn, its closing token included."""
    sightings: tuple[Sighting, ...]


def encode(rehearsal: Rehearsal, tokenizer: PreTrainedTokenizerFast) -> TokenRow:
    """The tokens that the chat template gives, every image pad repeated as often as it costs."""
    pad = token_id(tokenizer, IMAGE_PAD)
    grids = iter([seen.width_pixels // VISUAL_TOKEN_PIXELS for seen in rehearsal.sightings])
    ids: list[int] = []
    labels: list[int] = []
    weights: list[float] = []
    turns: list[tuple[int, int, str]] = []
    for number, (role, text) in enumerate(rehearsal.messages):
        newline = "\n" if number else ""
        head = tokenizer.encode(f"{newline}<|im_start|>{role}\n", add_special_tokens=False)
        body = tokenizer.encode(f"{text}<|im_end|>", add_special_tokens=False)
        told = _weights(text, tokenizer) if role == "assistant" else []
        if IMAGE in text:
            body = [repeated for token in body for repeated in _expand(token, pad, grids)]
        start = len(ids) + len(head)
        ids += head + body
        if role == "assistant":
            labels += [IGNORED] * len(head) + body
            weights += [0.0] * len(head) + told
            turns.append((start, len(ids), text))
        else:
            labels += [IGNORED] * (len(head) + len(body))
            weights += [0.0] * (len(head) + len(body))
    row = np.array(ids)
    sides = [seen.width_pixels // VISUAL_TOKEN_PIXELS for seen in rehearsal.sightings]
    return TokenRow(
        ids=row,
        labels=np.array(labels),
        weights=np.array(weights, dtype=np.float32),
        positions=rope_positions(row, pad, sides),
        turns=tuple(turns),
        sightings=rehearsal.sightings,
    )


def rope_positions(ids: NDArray[np.int64], pad: int, sides: list[int]) -> NDArray[np.int64]:
    """Qwen2.5-VL's positions (3, n) for square still images of `sides` merged patches a side."""
    positions = np.empty((3, len(ids)), dtype=np.int64)
    clock = place = 0
    images = iter(sides)
    while place < len(ids):
        if ids[place] != pad:
            positions[:, place] = clock
            clock, place = clock + 1, place + 1
            continue
        side = next(images)
        rows, columns = np.divmod(np.arange(side * side), side)
        positions[:, place : place + side * side] = clock + np.stack([0 * rows, rows, columns])
        clock, place = clock + side, place + side * side
    return positions


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenBatch:
    """Rows padded on the right: ids, labels and weights (b, n), positions (3, b, n)."""

    ids: torch.Tensor
    labels: torch.Tensor
    weights: torch.Tensor
    positions: torch.Tensor
    rows: tuple[TokenRow, ...]


def collate(rows: list[TokenRow], filler: int) -> TokenBatch:
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


def batches_of(rows: list[TokenRow], token_budget: int) -> Iterator[list[TokenRow]]:
    """Rows of like length together, each batch within the budget of padded tokens."""
    batch: list[TokenRow] = []
    for row in sorted(rows, key=lambda row: len(row.ids)):
        if batch and (len(batch) + 1) * len(row.ids) > token_budget:
            yield batch
            batch = []
        batch.append(row)
    if batch:
        yield batch


def _weights(text: str, tokenizer: PreTrainedTokenizerFast) -> list[float]:
    """One weight for each token of an assistant turn, its closing token included."""
    found = [match.span() for match in _FOUND.finditer(text)]
    offsets = tokenizer(text, add_special_tokens=False, return_offsets_mapping=True).offset_mapping
    return [
        FOUND_WEIGHT if any(low <= start < high for low, high in found) else 1.0
        for start, _ in offsets
    ] + [1.0]


def _expand(token: int, pad: int, grids: Iterator[int]) -> list[int]:
    return [pad] * next(grids) ** 2 if token == pad else [token]
