"""A model folder's own generation replaced by a script: real ids, real images, known words."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import torch

from eva_graph.policy.in_process import TransformersPolicy


def make_it_say(model: Any, tokenizer: Any, script: list[str]) -> None:
    """Let `generate` append the script's next turn to every row; rows may be left-padded."""
    next_turn = _next_turn(tokenizer, script)

    def generate(*, input_ids: torch.Tensor, **_: Any) -> torch.Tensor:
        said = [next_turn(row.tolist()) for row in input_ids]
        longest = max(map(len, said))
        rows = [line + [tokenizer.pad_token_id] * (longest - len(line)) for line in said]
        return torch.cat([input_ids, torch.tensor(rows)], dim=1)

    model.generate = generate


def make_it_write(policy: TransformersPolicy, tokenizer: Any, script: list[str]) -> None:
    """Let a policy in process write the script's next turn, one request at a time."""
    write(policy, _next_turn(tokenizer, script))


def write(policy: TransformersPolicy, line_of: Callable[[list[int]], list[int]]) -> None:
    """Let a policy in process continue prompt ids by `line_of` them, one request at a time."""
    vocabulary = policy.model.get_input_embeddings().num_embeddings
    left: list[int] = []

    def forward(*, input_ids: torch.Tensor, **_: Any) -> SimpleNamespace:
        if input_ids.shape[1] > 1:
            left[:] = line_of(input_ids[0].tolist())
        scores = torch.zeros(1, 1, vocabulary)
        scores[0, 0, left.pop(0)] = 1000
        return SimpleNamespace(logits=scores)

    policy.model.forward = forward


def _next_turn(tokenizer: Any, script: list[str]) -> Callable[[list[int]], list[int]]:
    lines = [tokenizer(text + "<|im_end|>")["input_ids"] for text in script]
    opener = tokenizer("<|im_start|>assistant\n")["input_ids"]
    return lambda ids: lines[count(ids, opener) - 1]


def count(ids: list[int], pattern: list[int]) -> int:
    """How often the pattern stands in the ids."""
    width = len(pattern)
    return sum(ids[i : i + width] == pattern for i in range(len(ids) - width + 1))
