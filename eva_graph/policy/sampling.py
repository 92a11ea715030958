"""Sampling from a model in this process: stop strings and raw log-probabilities, one sequence.

Needs the `nano` extra: import it only where a model is really loaded.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from transformers import GenerationConfig, LogitsProcessor, StoppingCriteria

from eva_graph.policy.prompt import Prompt
from eva_graph.policy.protocol import PolicyRequest


@dataclass(frozen=True, slots=True, kw_only=True)
class Sampled:
    """Ids that a model sampled and the raw log-probability of each."""

    token_ids: tuple[int, ...]
    logprobs: tuple[float, ...]


def sample(
    model: Any, tokenizer: Any, prompt: Prompt, request: PolicyRequest, max_new_tokens: int
) -> Sampled:
    """Continue `prompt` up to an end token, a stop string or `max_new_tokens` tokens."""
    recorder = _LogprobRecorder()
    stopper = _StopStrings(tokenizer, request.stop, len(prompt.token_ids))
    with _seeded(request.seed, model.device):
        sequences = model.generate(
            **_inputs(model, prompt),
            generation_config=_settings(model, tokenizer, request.temperature, max_new_tokens),
            logits_processor=[recorder],
            stopping_criteria=[stopper],
        )
    ids = tuple(sequences[0, len(prompt.token_ids) :].tolist())
    return Sampled(token_ids=ids, logprobs=recorder.logprobs(ids))


def end_token_ids(model: Any, tokenizer: Any) -> set[int]:
    """Tokens that end a turn: the folder's generation settings and the tokenizer's own."""
    ends = model.generation_config.eos_token_id
    listed = ends if isinstance(ends, list) else [ends]
    return {token for token in [*listed, tokenizer.eos_token_id] if token is not None}


def _inputs(model: Any, prompt: Prompt) -> dict[str, Any]:
    ids = torch.tensor([prompt.token_ids], device=model.device)
    inputs = {"input_ids": ids, "attention_mask": torch.ones_like(ids)}
    if prompt.pixel_values is not None:
        inputs["pixel_values"] = prompt.pixel_values.to(model.device, model.dtype)
        inputs["image_grid_thw"] = torch.tensor(prompt.grids, device=model.device)
        inputs["mm_token_type_ids"] = (ids == model.config.image_token_id).int()
    return inputs


def _settings(
    model: Any, tokenizer: Any, temperature: float, max_new_tokens: int
) -> GenerationConfig:
    # Everything that the folder's own settings could bend is set: what is sampled is the model.
    sampling = {"temperature": temperature, "top_k": 0, "top_p": 1.0} if temperature > 0 else {}
    return GenerationConfig(
        do_sample=temperature > 0,
        max_new_tokens=max_new_tokens,
        repetition_penalty=1.0,
        eos_token_id=sorted(end_token_ids(model, tokenizer)),
        pad_token_id=tokenizer.pad_token_id,
        **sampling,
    )


@contextmanager
def _seeded(seed: int | None, device: torch.device) -> Iterator[None]:
    if seed is None:
        yield
        return
    with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
        torch.manual_seed(seed)
        yield


class _LogprobRecorder(LogitsProcessor):
    """Sees the raw scores of every step and, one step later, which token was taken."""

    def __init__(self) -> None:
        self._last: torch.Tensor | None = None
        self._taken: list[float] = []

    def __call__(self, input_ids: torch.LongTensor, scores: torch.FloatTensor) -> torch.FloatTensor:
        if self._last is not None:
            self._taken.append(self._last[input_ids[0, -1]].item())
        self._last = torch.log_softmax(scores[0].float(), dim=-1)
        return scores

    def logprobs(self, ids: Sequence[int]) -> tuple[float, ...]:
        """Log-probability of each of the sampled ids."""
        last = [] if self._last is None else [self._last[ids[-1]].item()]
        return (*self._taken, *last)


class _StopStrings(StoppingCriteria):
    def __init__(self, tokenizer: Any, stop: Sequence[str], prompt_length: int) -> None:
        self._tokenizer, self._stop, self._prompt_length = tokenizer, stop, prompt_length
        # A token holds at least one byte, so this tail holds every stop that just ended.
        self._tail = max((len(text.encode()) for text in stop), default=0) + 1

    def __call__(
        self, input_ids: torch.LongTensor, scores: torch.FloatTensor, **_: Any
    ) -> torch.BoolTensor:
        start = max(self._prompt_length, input_ids.shape[1] - self._tail)
        text = self._tokenizer.decode(input_ids[0, start:]) if self._stop else ""
        done = any(stop in text for stop in self._stop)
        return torch.tensor([done], device=input_ids.device)  # type: ignore[return-value]
