"""Sequences that one model writes side by side, a token of each at a time.

A sequence joins when its prompt has been read, alone, and leaves when it is over; the others go on.
So its prompt, positions and images are the same in any company, and its tokens are those that it
gets alone, up to the order in which floating-point sums are taken. Needs the `nano` extra.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from transformers import DynamicCache

from eva_graph.policy.key_value_rows import KeyValueRows
from eva_graph.policy.prompt import Prompt
from eva_graph.policy.sampling import Sampler, take_tokens


@dataclass(slots=True, eq=False, kw_only=True)
class Writing:
    """A sequence under way.

    Attributes:
        prompt: what it continues.
        sampler: what it has written.
        most_tokens: of prompt and completion together.
        next_position: of the token to come, one for all three axes.
    """

    prompt: Prompt
    sampler: Sampler
    most_tokens: int
    next_position: int = 0


class Generation:
    """The sequences that a Qwen VL model writes now. Not thread-safe.

    Args:
        model: in evaluation mode.
        most_rows: sequences at once.
        most_tokens: sequences at once, times the longest of them: the memory of keys and values.
    """

    def __init__(self, model: Any, *, most_rows: int, most_tokens: int) -> None:
        # A layer that sees only the last tokens needs a mask that transformers makes for one row.
        kinds = getattr(model.config.get_text_config(), "layer_types", None) or ()
        self._most_rows = 1 if "sliding_attention" in kinds else most_rows
        self._most_tokens = most_tokens
        self._model = model
        self._rows: list[Writing] = []
        self._cache = KeyValueRows()

    def __len__(self) -> int:
        return len(self._rows)

    def has_room(self, writing: Writing) -> bool:
        """Whether a sequence can join now; the first one always can."""
        rows = len(self._rows) + 1
        longest = max([one.most_tokens for one in self._rows] + [writing.most_tokens])
        return rows == 1 or (rows <= self._most_rows and rows * longest <= self._most_tokens)

    @torch.inference_mode()
    def join(self, writing: Writing) -> bool:
        """Read its prompt and take its first token; whether it is over with that."""
        cache: Any = DynamicCache()
        inputs, writing.next_position = _inputs(self._model, writing.prompt)
        output = self._model(**inputs, past_key_values=cache, use_cache=True, logits_to_keep=1)
        take_tokens(output.logits[:, -1], [writing.sampler])
        if writing.sampler.is_over:
            return True
        read = [(layer.keys, layer.values) for layer in cache.layers]
        self._cache.join(read, len(writing.prompt.token_ids), writing.most_tokens)
        self._rows.append(writing)
        return False

    @torch.inference_mode()
    def step(self) -> list[Writing]:
        """Take a token of every sequence; those that are over with it have left."""
        if not self._rows:
            return []
        device = self._model.device
        ids = torch.tensor([[one.sampler.last_id] for one in self._rows], device=device)
        positions = torch.tensor([[one.next_position] for one in self._rows], device=device)
        mask = self._cache.begin_token(device)
        output = self._model(
            input_ids=ids,
            attention_mask=mask,
            position_ids=positions.expand(3, -1, -1),
            past_key_values=self._cache,
            use_cache=True,
        )
        self._cache.end_token()
        for one in self._rows:
            one.next_position += 1
        take_tokens(output.logits[:, -1], [one.sampler for one in self._rows])
        over = [one for one in self._rows if one.sampler.is_over]
        for one in over:
            self.leave(one)
        return over

    @torch.inference_mode()
    def leave(self, writing: Writing) -> None:
        """Drop a sequence."""
        row = self._rows.index(writing)
        self._cache.leave(row)
        self._rows[row] = self._rows[-1]
        self._rows.pop()

    def clear(self) -> None:
        """Drop all."""
        self._rows, self._cache = [], KeyValueRows()


def _inputs(model: Any, prompt: Prompt) -> tuple[dict[str, Any], int]:
    """What the model reads of a prompt, and the position of the token behind it."""
    ids = torch.tensor([prompt.token_ids], device=model.device)
    if prompt.pixel_values is None:
        positions = torch.arange(ids.shape[1], device=model.device).expand(3, 1, -1)
        return {"input_ids": ids, "position_ids": positions}, ids.shape[1]
    grids = torch.tensor(prompt.grids, device=model.device)
    kinds = (ids == model.config.image_token_id).int()
    positions, _ = model.model.get_rope_index(ids, mm_token_type_ids=kinds, image_grid_thw=grids)
    inputs = {
        "input_ids": ids,
        "position_ids": positions,
        "pixel_values": prompt.pixel_values.to(model.device, model.dtype),
        "image_grid_thw": grids,
        "mm_token_type_ids": kinds,
    }
    return inputs, int(positions.max()) + 1
