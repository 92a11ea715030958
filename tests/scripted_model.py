"""A model folder's own generation replaced by a script: real ids, real images, known words."""

from __future__ import annotations

from typing import Any

import torch


def make_it_say(model: Any, tokenizer: Any, script: list[str]) -> None:
    """Let `generate` append the script's next turn to every row; rows may be left-padded."""
    lines = [tokenizer(text + "<|im_end|>")["input_ids"] for text in script]
    opener = tokenizer("<|im_start|>assistant\n")["input_ids"]

    def generate(*, input_ids: torch.Tensor, **_: Any) -> torch.Tensor:
        said = [count(row.tolist(), opener) - 1 for row in input_ids]
        longest = max(len(lines[number]) for number in said)
        rows = [lines[n] + [tokenizer.pad_token_id] * (longest - len(lines[n])) for n in said]
        return torch.cat([input_ids, torch.tensor(rows)], dim=1)

    model.generate = generate


def count(ids: list[int], pattern: list[int]) -> int:
    """How often the pattern stands in the ids."""
    width = len(pattern)
    return sum(ids[i : i + width] == pattern for i in range(len(ids) - width + 1))
