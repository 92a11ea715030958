"""A Qwen2.5-VL-family model folder as a policy in this process: the embedded nano, or your own.

Needs the `nano` extra; torch and the weights are loaded by the first call. Calls of several threads
or tasks are written in one batch (see `eva_graph.policy.batching`). It does not continue messages
(`calls="phase"` falls back) and has no tool parser, so it speaks the `eva` dialect only.
"""

from __future__ import annotations

import asyncio
import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from eva_graph.errors import (
    ContextOverflow,
    ContinuationUnsupported,
    MissingExtra,
    PolicyRejected,
)
from eva_graph.policy.folder_facts import read_info, stored_dtype
from eva_graph.policy.limits_file import read_limits
from eva_graph.policy.protocol import Completion, PolicyRequest

if TYPE_CHECKING:
    from eva_graph.policy.batching import Batcher
    from eva_graph.policy.generation import Writing
    from eva_graph.policy.prompt import Prompt, PromptBuilder
    from eva_graph.policy.sampling import Sampled

_NEEDED = ("torch", "transformers")


@dataclass(frozen=True, slots=True)
class _Loaded:
    model: Any
    tokenizer: Any
    prompts: PromptBuilder
    end_token_ids: set[int]
    batcher: Batcher


@dataclass(frozen=True, slots=True)
class _Asked:
    request: PolicyRequest
    loaded: _Loaded
    writing: Writing
    started: float


class TransformersPolicy:
    """A model folder in process.

    Args:
        folder: weights, configuration, tokenizer and image processor as `save_pretrained` writes
            them, and optionally its limits (see `eva_graph.policy.limits_file`).
        device: torch device; None takes CUDA where there is one.
        dtype: torch type of the weights, e.g. `"bfloat16"`; None takes float32 on a CPU and the
            stored type elsewhere.
        most_rows: requests that are written at once.
        most_tokens: the same, times the longest of them with its new tokens: what the keys and
            values of the batch may take, besides a lone request's.

    Raises:
        MissingExtra: torch or transformers is not installed.
        InvalidRequest: no model folder.
    """

    def __init__(
        self,
        folder: str | os.PathLike[str],
        *,
        device: str | None = None,
        dtype: str | None = None,
        most_rows: int = 16,
        most_tokens: int = 65_536,
    ) -> None:
        if not all(map(find_spec, _NEEDED)):
            raise MissingExtra(
                "models in process need torch and transformers: "
                'pip install "eva-graph[nano]" (or pass policy= the URL of a server)'
            )
        self._folder = Path(folder)
        self._device = device
        self._dtype = dtype
        self._most_rows, self._most_tokens = most_rows, most_tokens
        self._lock = threading.Lock()
        self._loaded: _Loaded | None = None
        self.info = read_info(self._folder)
        self.longest_turn_tokens: int | None = read_limits(self._folder).get("max_new_tokens")

    @property
    def model(self) -> Any:
        """The torch model, loaded on first use."""
        with self._lock:
            return self._load().model

    def generate(self, request: PolicyRequest) -> Completion:
        """Write the next assistant text; see the protocol. Raises `PolicyError`."""
        asked = self._prepare(request)
        future = asked.loaded.batcher.submit(asked.writing)
        try:
            sampled = future.result()
        finally:
            future.cancel()  # where the wait was broken off; without effect on a result
        return self._completion(asked, sampled)

    async def agenerate(self, request: PolicyRequest) -> Completion:
        """Like `generate`; no thread is held while the model writes."""
        asked = await asyncio.to_thread(self._prepare, request)
        future = asked.loaded.batcher.submit(asked.writing)
        sampled = await asyncio.wrap_future(future)
        return await asyncio.to_thread(self._completion, asked, sampled)

    def _load(self) -> _Loaded:
        if self._loaded is None:
            import torch

            from eva_graph.policy.batching import Batcher
            from eva_graph.policy.generation import Generation
            from eva_graph.policy.processor import load_model, load_processor, visual_grid
            from eva_graph.policy.prompt import PromptBuilder
            from eva_graph.policy.sampling import end_token_ids

            device = self._device or ("cuda" if torch.cuda.is_available() else "cpu")
            dtype = self._dtype or ("float32" if device == "cpu" else stored_dtype(self._folder))
            processor = load_processor(self._folder)
            with _quietly():
                model: Any = load_model(self._folder, dtype)
            model.to(device)
            self._loaded = _Loaded(
                model,
                processor.tokenizer,
                PromptBuilder(processor, visual_grid(processor)),
                end_token_ids(model, processor.tokenizer),
                Batcher(
                    Generation(model, most_rows=self._most_rows, most_tokens=self._most_tokens)
                ),
            )
        return self._loaded

    def _prepare(self, request: PolicyRequest) -> _Asked:
        from eva_graph.policy.generation import Writing
        from eva_graph.policy.sampling import Sampler

        if request.continue_final or request.guided_regex is not None:
            raise ContinuationUnsupported("a model in process cannot continue a message")
        if request.tools:
            raise PolicyRejected("a model in process has no tool parser: use the eva dialect")
        started = time.perf_counter()
        with self._lock:
            loaded = self._load()
            prompt = loaded.prompts.build(request)
        room = self._room(prompt, request.max_new_tokens)
        sampler = Sampler(
            loaded.tokenizer,
            request,
            max_new_tokens=room,
            ends=loaded.end_token_ids,
            device=loaded.model.device,
        )
        most_tokens = len(prompt.token_ids) + room
        writing = Writing(prompt=prompt, sampler=sampler, most_tokens=most_tokens)
        return _Asked(request, loaded, writing, started)

    def _completion(self, asked: _Asked, sampled: Sampled) -> Completion:
        request, loaded, prompt = asked.request, asked.loaded, asked.writing.prompt
        ids = sampled.token_ids
        with self._lock:
            written: str = loaded.tokenizer.decode(ids, skip_special_tokens=True)
            text = _before_stop(written, request.stop)
            if text == written:
                # Another end than the template's own is followed by the template's in the text.
                end_id = loaded.tokenizer.eos_token_id
                end = loaded.tokenizer.eos_token if ids[-1:] == (end_id,) else ""
                loaded.prompts.remember(request.conversation_id, prompt, text + end, ids)
        ended = bool(ids) and ids[-1] in loaded.end_token_ids
        return Completion(
            text=text,
            finish_reason="stop" if ended or text != written else "length",
            prompt_tokens=len(prompt.token_ids),
            completion_tokens=len(ids),
            prompt_token_ids=prompt.token_ids,
            token_ids=ids,
            logprobs=sampled.logprobs,
            logprobs_kind="raw",
            image_grids=prompt.grids,
            seconds=time.perf_counter() - asked.started,
        )

    def _room(self, prompt: Prompt, wanted: int) -> int:
        wanted = min(wanted, self.longest_turn_tokens or wanted)
        context = self.info.context_tokens
        if context is None:
            return wanted
        free = context - len(prompt.token_ids)
        if free < 1:
            raise ContextOverflow(
                f"the prompt has {len(prompt.token_ids)} tokens, the model's context {context}"
            )
        return min(wanted, free)


@contextmanager
def _quietly() -> Iterator[None]:
    """No progress bar for a load that takes a second: the terminal belongs to the caller."""
    from transformers.utils import logging

    shown = logging.is_progress_bar_enabled()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        if shown:
            logging.enable_progress_bar()


def _before_stop(text: str, stop: tuple[str, ...]) -> str:
    found = [position for one in stop if (position := text.find(one)) >= 0]
    return text[: min(found)] if found else text
