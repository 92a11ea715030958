"""Attention keys and values of several sequences that grow side by side, whatever their lengths.

Every sequence is a row that fills its own columns from the first one on, so nothing is ever padded
on the left, shifted or copied when another row joins or leaves; what lies behind a row's end is
masked. Needs the `nano` extra.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from transformers import Cache

KeysAndValues = tuple[torch.Tensor, torch.Tensor]


class KeyValueRows(Cache):
    """The cache of a model whose rows are each at another position.

    The model writes one token a row: `begin_token` before the call, `end_token` after it.

    Attributes:
        lengths: tokens of every row.
    """

    def __init__(self) -> None:
        super().__init__(layers=[])
        self.lengths: list[int] = []
        self._most_tokens: list[int] = []
        self._layers: list[KeysAndValues] = []  # rows x heads x columns x size
        self._ends = torch.empty(0, dtype=torch.long)

    def join(self, prompt: Sequence[KeysAndValues], length: int, most_tokens: int) -> None:
        """Append a row.

        Args:
            prompt: its keys and values so far, of every layer, 1 x heads x length x size.
            length: tokens in it.
            most_tokens: that the row will ever have.
        """
        self._make_room(prompt, most_tokens)
        row = len(self.lengths)
        for (keys, values), (new_keys, new_values) in zip(self._layers, prompt, strict=True):
            keys[row, :, :length] = new_keys[0]
            values[row, :, :length] = new_values[0]
        self.lengths.append(length)
        self._most_tokens.append(most_tokens)

    def leave(self, row: int) -> None:
        """Drop a row; the last one takes its place."""
        last = len(self.lengths) - 1
        length = self.lengths[last]
        if row < last:
            for keys, values in self._layers:
                keys[row, :, :length] = keys[last, :, :length]
                values[row, :, :length] = values[last, :, :length]
            self.lengths[row], self._most_tokens[row] = length, self._most_tokens[last]
        self.lengths.pop()
        self._most_tokens.pop()
        if not self.lengths:
            self._layers = []

    def begin_token(self, device: torch.device) -> torch.Tensor | None:
        """Where rows end now, as a mask of rows x 1 x 1 x columns; None where all end alike."""
        self._ends = torch.tensor(self.lengths, device=device)
        if len(set(self.lengths)) == 1:
            return None
        columns = torch.arange(max(self.lengths) + 1, device=device)
        return (columns <= self._ends[:, None])[:, None, None, :]

    def end_token(self) -> None:
        """Every row has one token more."""
        self.lengths = [length + 1 for length in self.lengths]

    def update(
        self,
        key_states: torch.Tensor,
        value_states: torch.Tensor,
        layer_idx: int,
        *_: Any,
        **__: Any,
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Write a token of every row (rows x heads x 1 x size); what all rows have, padded."""
        rows, columns = len(self.lengths), max(self.lengths) + 1
        keys, values = self._layers[layer_idx]
        if rows == 1:
            keys[:1, :, columns - 1 : columns] = key_states
            values[:1, :, columns - 1 : columns] = value_states
        else:
            row = torch.arange(rows, device=keys.device)
            keys[row, :, self._ends] = key_states[:, :, 0]
            values[row, :, self._ends] = value_states[:, :, 0]
        return keys[:rows, :, :columns], values[:rows, :, :columns]

    def get_seq_length(self, layer_idx: int = 0) -> int:
        """Columns in use."""
        return max(self.lengths, default=0)

    def get_mask_sizes(self, query_length: int, layer_idx: int) -> tuple[int, int]:
        """Columns that the next tokens see, and the first of them."""
        return self.get_seq_length() + query_length, 0

    def _make_room(self, like: Sequence[KeysAndValues], columns: int) -> None:
        """Keep the buffers, or replace them by larger ones where they are too small."""
        rows, wanted = len(self.lengths), max([columns, *self._most_tokens])
        if self._layers:
            has_rows, _, has_columns, _ = self._layers[0][0].shape
            if rows < has_rows and wanted <= has_columns:
                return
        old = self._layers or [(keys[:0], values[:0]) for keys, values in like]
        self._layers = [
            (_larger(keys, rows + 1, wanted), _larger(values, rows + 1, wanted))
            for keys, values in old
        ]


def _larger(buffer: torch.Tensor, rows: int, columns: int) -> torch.Tensor:
    # Zeros, since a masked column still counts: nothing times what is not a number.
    larger = buffer.new_zeros((rows, buffer.shape[1], columns, buffer.shape[3]))
    kept = buffer[: rows - 1, :, :columns]
    larger[: kept.shape[0], :, : kept.shape[2]] = kept
    return larger
