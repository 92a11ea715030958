"""Requests written side by side: each as transformers' own `generate` writes it alone."""

from __future__ import annotations

import asyncio
import io
import random
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import CancelledError, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from langchain_core.messages import HumanMessage, ToolMessage
from PIL import Image
from random_model import random_model, random_qwen3_model
from transformers import GenerationConfig

from eva_graph.blocks import frame_block, frames_of, text_block
from eva_graph.policy.batching import Batcher
from eva_graph.policy.generation import Generation, Writing
from eva_graph.policy.in_process import TransformersPolicy
from eva_graph.policy.limits_file import EMBEDDED_FOLDER
from eva_graph.policy.processor import load_model, load_processor, visual_grid
from eva_graph.policy.prompt import PromptBuilder
from eva_graph.policy.protocol import PolicyRequest
from eva_graph.policy.sampling import Sampler, end_token_ids
from eva_graph_tools import FrameMissing

SIZES = [(2, 2), (4, 2), (2, 6), (4, 4)]
"""Of frames, in visual tokens of width and height."""
WORDS = ["which", "colour", "does", "the", "round", "sign", "show", "at", "12", "seconds"]


@pytest.fixture
def varied(stored, ask):
    """Makes requests of 1 to 60 words with 0 to 4 frames of several sizes; every third has none."""

    def requests(count: int, *, patch_pixels: int = 28, **options) -> list[PolicyRequest]:
        rng = random.Random(5)
        made = []
        for number in range(count):
            question = HumanMessage(" ".join(rng.choices(WORDS, k=rng.randint(1, 60))))
            frames = [noise(rng, patch_pixels) for _ in range(number % 3 * rng.randint(1, 2))]
            blocks = [frame_block(stored.put_image(one, 1.0)) for one in frames]
            look = ToolMessage([text_block("Frames: "), *blocks], tool_call_id="t")
            messages = [question, look] if frames else [question]
            made.append(ask(messages, conversation_id=f"c{number}", **options))
        return made

    return requests


def noise(rng: random.Random, patch_pixels: int) -> Image.Image:
    pixels = np.random.default_rng(rng.randrange(2**32)).integers(0, 256, (4, 4, 3), np.uint8)
    width, height = rng.choice(SIZES)
    return Image.fromarray(pixels).resize((width * patch_pixels, height * patch_pixels))


class Folder:
    """A model, its prompts, and its tokens as transformers alone generates them."""

    def __init__(self, folder: Path) -> None:
        self.model = load_model(folder)
        self.processor = load_processor(folder)
        self.grid = visual_grid(self.processor)
        self._ends = end_token_ids(self.model, self.processor.tokenizer)

    def writing(self, request: PolicyRequest) -> Writing:
        prompt = PromptBuilder(self.processor, self.grid).build(request)
        sampler = Sampler(
            self.processor.tokenizer,
            request,
            max_new_tokens=request.max_new_tokens,
            ends=self._ends,
            device=self.model.device,
        )
        most_tokens = len(prompt.token_ids) + request.max_new_tokens
        return Writing(prompt=prompt, sampler=sampler, most_tokens=most_tokens)

    def alone(self, request: PolicyRequest) -> tuple[int, ...]:
        ids = torch.tensor([self.writing(request).prompt.token_ids])
        inputs = {"input_ids": ids, "attention_mask": torch.ones_like(ids)}
        images = [
            Image.open(io.BytesIO(request.load_frame(r))) for r in frames_of(request.messages)
        ]
        if images:
            inputs |= self.processor.image_processor(images=images, return_tensors="pt")
            inputs["mm_token_type_ids"] = (ids == self.processor.image_token_id).int()
        sampling = {"temperature": request.temperature, "top_k": 0, "top_p": 1.0}
        settings = GenerationConfig(
            do_sample=request.temperature > 0,
            max_new_tokens=request.max_new_tokens,
            eos_token_id=sorted(self._ends),
            pad_token_id=self.processor.tokenizer.pad_token_id,
            **(sampling if request.temperature else {}),
        )
        with torch.random.fork_rng():
            torch.manual_seed(request.seed or 0)
            written = self.model.generate(**inputs, generation_config=settings)
        return tuple(written[0, ids.shape[1] :].tolist())


@pytest.fixture(scope="module")
def nano() -> Folder:
    return Folder(EMBEDDED_FOLDER)


@pytest.fixture(scope="module")
def qwen25(tmp_path_factory) -> Folder:
    return Folder(random_model(tmp_path_factory.mktemp("qwen25")))


@pytest.fixture(scope="module")
def qwen3(tmp_path_factory) -> Folder:
    return Folder(random_qwen3_model(tmp_path_factory.mktemp("qwen3")))


def written(folder: Folder, requests: Sequence[PolicyRequest], rows: int) -> list[tuple[int, ...]]:
    """Sampled ids; whenever a sequence leaves, the next one joins those that go on."""
    generation = Generation(folder.model, most_rows=rows, most_tokens=10**6)
    writings = [folder.writing(request) for request in requests]
    waiting = writings[::-1]
    most = 0
    while waiting or len(generation):
        while waiting and generation.has_room(waiting[-1]):
            generation.join(waiting.pop())
        most = max(most, len(generation))
        generation.step()
    assert most == rows
    return [writing.sampler.sampled().token_ids for writing in writings]


def lengths(requests: Sequence[PolicyRequest]) -> list[PolicyRequest]:
    """The requests with 1 to 12 new tokens at most."""
    return [replace(one, max_new_tokens=1 + 5 * number % 12) for number, one in enumerate(requests)]


def test_nano_writes_the_same_in_company(nano, varied):
    requests = lengths(varied(54))
    assert written(nano, requests, 9) == [nano.alone(request) for request in requests]


@pytest.mark.parametrize("family", ["qwen25", "qwen3"])
def test_images_of_several_sizes_keep_their_positions(family, request, varied):
    folder = request.getfixturevalue(family)
    requests = lengths(varied(12, patch_pixels=folder.grid.patch_pixels))
    assert written(folder, requests, 5) == [folder.alone(one) for one in requests]


def test_a_seed_draws_the_same_in_company(qwen25, varied):
    requests = [
        replace(one, temperature=(0.0, 0.7, 1.3)[number % 3], seed=number)
        for number, one in enumerate(lengths(varied(12)))
    ]
    assert written(qwen25, requests, 6) == [qwen25.alone(request) for request in requests]


def test_what_rows_may_take_is_bounded(qwen25, varied):
    first, second, third = (qwen25.writing(one) for one in varied(3, max_new_tokens=4))
    longest = max(first.most_tokens, second.most_tokens)
    generation = Generation(qwen25.model, most_rows=2, most_tokens=2 * longest - 1)
    generation.join(first)
    assert not generation.has_room(second)
    generation = Generation(qwen25.model, most_rows=2, most_tokens=2 * longest)
    generation.join(first)
    assert generation.has_room(second)
    generation.join(second)
    assert not generation.has_room(third)
    assert Generation(qwen25.model, most_rows=2, most_tokens=1).has_room(first)


class Held:
    """A model that waits before every call, and counts the rows of each."""

    def __init__(self, model: torch.nn.Module) -> None:
        self.go_on = threading.Event()
        self.begun = threading.Event()
        self.rows: list[int] = []
        self._hook = model.register_forward_pre_hook(self._wait, with_kwargs=True)

    def _wait(self, module, args, kwargs) -> None:
        self.begun.set()
        self.go_on.wait()
        self.rows.append(kwargs["input_ids"].shape[0])

    def end(self) -> None:
        self.go_on.set()
        self._hook.remove()


@contextmanager
def held(model: torch.nn.Module) -> Iterator[Held]:
    one = Held(model)
    try:
        yield one
    finally:
        one.end()


@pytest.fixture
def batcher(qwen25) -> Batcher:
    return Batcher(Generation(qwen25.model, most_rows=4, most_tokens=10**6))


def test_what_waits_is_written_together(qwen25, batcher, varied):
    requests = varied(6, max_new_tokens=5)
    with held(qwen25.model) as model:
        futures = [batcher.submit(qwen25.writing(one)) for one in requests]
        model.go_on.set()
        sampled = [future.result().token_ids for future in futures]
    assert sampled == [qwen25.alone(one) for one in requests]
    assert max(model.rows) == 4


def test_a_prompt_that_cannot_be_read_fails_alone(qwen25, batcher, varied):
    requests = varied(3, max_new_tokens=4)
    writings = [qwen25.writing(one) for one in requests]
    shown = writings[2].prompt
    assert shown.grids
    writings[2].prompt = replace(shown, pixel_values=shown.pixel_values[:, :-1])
    with held(qwen25.model) as model:
        good, other, bad = (batcher.submit(one) for one in writings)
        model.go_on.set()
        with pytest.raises(RuntimeError, match="shape"):
            bad.result()
    assert [good.result().token_ids, other.result().token_ids] == [
        qwen25.alone(one) for one in requests[:2]
    ]


def test_an_error_while_writing_is_told_to_all_and_not_to_those_after(qwen25, batcher, varied):
    def fail(module, args, kwargs) -> None:
        if kwargs["input_ids"].shape == (2, 1):
            raise RuntimeError("out of memory")

    requests = varied(2, max_new_tokens=4)
    hook = qwen25.model.register_forward_pre_hook(fail, with_kwargs=True)
    with held(qwen25.model) as model:
        futures = [batcher.submit(qwen25.writing(one)) for one in requests]
        model.go_on.set()
        for future in futures:
            with pytest.raises(RuntimeError, match="out of memory"):
                future.result()
    hook.remove()
    later = batcher.submit(qwen25.writing(requests[0]))
    assert later.result().token_ids == qwen25.alone(requests[0])


def test_one_that_is_cancelled_leaves_the_others(qwen25, batcher, varied):
    requests = varied(4, max_new_tokens=30)
    with held(qwen25.model) as model:
        futures = [batcher.submit(qwen25.writing(one)) for one in requests]
        model.begun.wait()
        futures[0].cancel()  # its prompt is being read
        futures[2].cancel()  # waits
        model.go_on.set()
        assert futures[1].result().token_ids == qwen25.alone(requests[1])
        assert futures[3].result().token_ids == qwen25.alone(requests[3])
    for number in (0, 2):
        with pytest.raises(CancelledError):
            futures[number].result()


def test_a_loop_that_ends_leaves_nothing_behind(qwen25, varied):
    policy = TransformersPolicy(qwen25.model.name_or_path)
    first, second = varied(2, max_new_tokens=2000)

    async def give_up(model: Held) -> None:
        asked = asyncio.create_task(policy.agenerate(first))
        await asyncio.to_thread(model.begun.wait)
        asked.cancel()

    with held(policy.model) as model:
        asyncio.run(give_up(model))
        model.go_on.set()
        short = replace(second, max_new_tokens=3)
        assert policy.generate(short).token_ids == qwen25.alone(short)
        assert len(model.rows) < 100  # of the 2,000 tokens that nobody waits for


def test_a_missing_frame_concerns_its_request_alone(qwen25, stored, varied):
    policy = TransformersPolicy(qwen25.model.name_or_path)
    requests = varied(4, max_new_tokens=4)
    gone = next(iter(frames_of(requests[1].messages)))
    del stored.bytes[gone.sha256]
    with ThreadPoolExecutor(4) as threads:
        futures = [threads.submit(policy.generate, one) for one in requests]
    with pytest.raises(FrameMissing):
        futures[1].result()
    for number in (0, 2, 3):
        assert futures[number].result().token_ids == qwen25.alone(requests[number])
