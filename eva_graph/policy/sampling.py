"""Sampling the next token of a sequence: its own temperature, seed, ends and log-probabilities.

What one sequence draws depends on nothing but its seed and its scores, however many others are
sampled with it. Needs the `nano` extra: import it only where a model is really loaded.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch

from eva_graph.policy.protocol import PolicyRequest


@dataclass(frozen=True, slots=True, kw_only=True)
class Sampled:
    """Ids that a model sampled and the raw log-probability of each."""

    token_ids: tuple[int, ...]
    logprobs: tuple[float, ...]


def end_token_ids(model: Any, tokenizer: Any) -> set[int]:
    """Tokens that end a turn: the folder's generation settings and the tokenizer's own."""
    ends = model.generation_config.eos_token_id
    listed = ends if isinstance(ends, list) else [ends]
    return {token for token in [*listed, tokenizer.eos_token_id] if token is not None}


class Sampler:
    """Draws the tokens of one sequence and knows when it is over.

    Args:
        tokenizer: to find stop strings.
        request: temperature, seed and stop strings.
        max_new_tokens: after which the sequence is over.
        ends: tokens after which it is over; they belong to it.
        device: of the scores.
    """

    def __init__(
        self,
        tokenizer: Any,
        request: PolicyRequest,
        *,
        max_new_tokens: int,
        ends: set[int],
        device: torch.device,
    ) -> None:
        self._tokenizer, self._stop, self._ends = tokenizer, request.stop, ends
        self._temperature, self._max_new_tokens = request.temperature, max_new_tokens
        # A token holds at least one byte, so this tail holds every stop that just ended.
        self._tail = max((len(text.encode()) for text in request.stop), default=0) + 1
        self._generator: torch.Generator | None = None
        if request.seed is not None:
            self._generator = torch.Generator(device).manual_seed(request.seed)
        self._ids: list[int] = []
        self._logprobs: list[float] = []

    @property
    def is_greedy(self) -> bool:
        """Whether it takes the most likely token."""
        return self._temperature <= 0

    @property
    def last_id(self) -> int:
        """The token taken last."""
        return self._ids[-1]

    @property
    def is_over(self) -> bool:
        """Whether the last token was an end, completed a stop string, or was one too many."""
        if len(self._ids) >= self._max_new_tokens or self._ids[-1] in self._ends:
            return True
        return any(stop in self._tail_text() for stop in self._stop)

    def draw(self, scores: torch.Tensor) -> torch.Tensor:
        """A token of `scores` (vocabulary, float32), with the sequence's own generator."""
        probabilities = torch.softmax(scores / self._temperature, dim=-1)
        return torch.multinomial(probabilities[None], 1, generator=self._generator)[0, 0]

    def take(self, token_id: int, logprob: float) -> None:
        """The next token of the sequence, and its raw log-probability."""
        self._ids.append(token_id)
        self._logprobs.append(logprob)

    def sampled(self) -> Sampled:
        """What was taken so far."""
        return Sampled(token_ids=tuple(self._ids), logprobs=tuple(self._logprobs))

    def _tail_text(self) -> str:
        text: str = self._tokenizer.decode(self._ids[-self._tail :])
        return text


def take_tokens(scores: torch.Tensor, samplers: Sequence[Sampler]) -> None:
    """Let every sequence take a token of its row of `scores` (sequences x vocabulary)."""
    scores = scores.float()
    taken = scores.argmax(dim=-1)
    for row, sampler in enumerate(samplers):
        if not sampler.is_greedy:
            taken[row] = sampler.draw(scores[row])
    logprobs = torch.log_softmax(scores, dim=-1).gather(1, taken[:, None])[:, 0]
    for sampler, token, logprob in zip(samplers, taken.tolist(), logprobs.tolist(), strict=True):
        sampler.take(token, logprob)
