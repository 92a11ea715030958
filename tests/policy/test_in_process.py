"""TransformersPolicy on a random model: ids, images, log-probabilities and limits."""

from __future__ import annotations

import asyncio
import io
import json
import shutil
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest
import torch
from langchain_core.messages import AIMessage, HumanMessage, ToolMessage
from PIL import Image
from random_model import random_model

from eva_graph.blocks import frame_block, frames_of, text_block
from eva_graph.errors import (
    ContextOverflow,
    ContinuationUnsupported,
    InvalidRequest,
    PolicyRejected,
)
from eva_graph.policy.in_process import TransformersPolicy
from eva_graph.policy.limits_file import LIMITS_FILE
from eva_graph.policy.processor import load_model, load_processor
from eva_graph.policy.protocol import Completion, Policy


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return random_model(tmp_path_factory.mktemp("random_model"))


@pytest.fixture(scope="module")
def policy(folder) -> TransformersPolicy:
    return TransformersPolicy(folder)


@pytest.fixture(scope="module")
def processor(folder):
    return load_processor(folder)


def pads(processor, completion: Completion) -> int:
    return completion.prompt_token_ids.count(processor.image_token_id)


def next_turn(policy, ask, messages, look, **options):
    """Two turns of one conversation: the first completion, and the one after a look."""
    options = {"temperature": 1.0, "seed": 1, "max_new_tokens": 12} | options
    first = policy.generate(ask(messages, **options))
    after = [*messages, AIMessage(first.text), look]
    return first, after, policy.generate(ask(after, **options))


def test_info_is_read_from_the_folder(folder, tmp_path):
    copy = shutil.copytree(folder, tmp_path / "copy")
    (copy / LIMITS_FILE).write_text(json.dumps({"notice": "knows nothing", "knows": "eva"}))
    policy = TransformersPolicy(copy)
    assert isinstance(policy, Policy)
    assert (policy.info.name, policy.info.backend) == (str(copy), "transformers")
    assert (policy.info.grid.patch_pixels, policy.info.grid.min_pixels) == (28, 3136)
    assert policy.info.context_tokens == 8192
    assert (policy.info.notice, policy.info.knows) == ("knows nothing", "eva")
    assert not policy.info.supports_continuation


def test_no_model_folder(tmp_path):
    with pytest.raises(InvalidRequest, match=r"config\.json"):
        TransformersPolicy(tmp_path)


def test_sampled_ids_are_continued(policy, ask, opening, look):
    first, _, second = next_turn(policy, ask, opening, look)
    history = first.prompt_token_ids + first.token_ids
    assert second.prompt_token_ids[: len(history)] == history
    assert len(first.token_ids) == len(first.logprobs) == 12
    assert first.finish_reason == "length"


def test_pads_and_grids_match_the_frames(policy, processor, ask, opening, look):
    first, _, second = next_turn(policy, ask, opening, look)
    assert (pads(processor, first), first.image_grids) == (0, ())
    assert (pads(processor, second), second.image_grids) == (8, ((1, 4, 4), (1, 4, 4)))


def test_an_edited_transcript_is_encoded_anew(policy, processor, ask, opening, look):
    _, after, _ = next_turn(policy, ask, opening, look)
    after[2] = AIMessage("<tool_call>{}</tool_call>")
    edited = policy.generate(ask(after, max_new_tokens=1))
    fresh = policy.generate(ask(after, max_new_tokens=1, conversation_id="other"))
    assert edited.prompt_token_ids == fresh.prompt_token_ids
    text = processor.tokenizer.decode(fresh.prompt_token_ids).replace(
        "<|image_pad|>" * 4, "<image>"
    )
    assert text.startswith("<|im_start|>system\nLook closely.<|im_end|>\n<|im_start|>user\n")
    assert text.endswith(
        "<|im_start|>assistant\n<tool_call>{}</tool_call><|im_end|>\n<|im_start|>tool\n"
        "<tool_response>Frame 0 at [00:01]: <|vision_start|><image><|vision_end|>"
        "\nFrame 1 at [00:02]: <|vision_start|><image><|vision_end|>"
        "\nQuestion: Which colour?</tool_response><|im_end|>\n<|im_start|>assistant\n"
    )


def test_logprobs_are_the_models_own(policy, folder, processor, ask, after_look, stored):
    completion = policy.generate(ask(after_look, temperature=0.7, seed=3, max_new_tokens=8))
    ids = torch.tensor([completion.prompt_token_ids + completion.token_ids])
    images = [decoded(stored.load(ref)) for ref in frames_of(after_look)]
    pixels = processor.image_processor(images=images, return_tensors="pt")
    with torch.inference_mode():
        logits = load_model(folder)(
            input_ids=ids,
            mm_token_type_ids=(ids == processor.image_token_id).int(),
            **pixels,
        ).logits[0, -9:-1]
    expected = torch.log_softmax(logits, -1)[range(8), list(completion.token_ids)]
    assert torch.allclose(torch.tensor(completion.logprobs), expected, atol=1e-4)


def decoded(content: bytes) -> Image.Image:
    return Image.open(io.BytesIO(content)).convert("RGB")


def test_greedy_text_depends_on_what_the_frames_show(policy, ask, opening, stored):
    def shown(colour: str) -> Completion:
        look = ToolMessage([text_block("x"), frame_block(stored.put(colour, 0))], tool_call_id="t")
        return policy.generate(ask([*opening, look], max_new_tokens=4, conversation_id=colour))

    assert shown("red").logprobs != shown("green").logprobs


def test_seed_repeats_and_changes(policy, ask, opening):
    def text(seed: int) -> str:
        return policy.generate(ask(opening, temperature=1.0, seed=seed, max_new_tokens=16)).text

    assert text(5) == text(5) != text(6)


def test_stop_strings_end_the_text_and_are_not_in_it(policy, ask, opening):
    free = policy.generate(ask(opening, temperature=1.0, seed=2, max_new_tokens=40))
    middle = len(free.text) // 2
    stop = free.text[middle : middle + 5]
    held = policy.generate(ask(opening, temperature=1.0, seed=2, max_new_tokens=40, stop=(stop,)))
    assert held.text == free.text[: free.text.index(stop)]
    assert held.finish_reason == "stop"
    assert len(held.token_ids) < len(free.token_ids)


def test_new_tokens_are_held_to_the_context_and_then_refused(folder, ask, opening):
    policy = TransformersPolicy(folder)
    length = len(policy.generate(ask(opening, max_new_tokens=1)).prompt_token_ids)
    policy.info = replace(policy.info, context_tokens=length + 3)
    short = policy.generate(ask(opening, temperature=1.0, seed=1, max_new_tokens=64))
    assert (len(short.token_ids), short.finish_reason) == (3, "length")
    policy.info = replace(policy.info, context_tokens=length)
    with pytest.raises(ContextOverflow, match=str(length)):
        policy.generate(ask(opening))


def test_a_pad_in_the_text_is_refused(policy, ask, opening, look):
    with pytest.raises(PolicyRejected, match="3 image places for 2 frames"):
        policy.generate(ask([HumanMessage("<|image_pad|>"), look], conversation_id="pad"))


def test_what_it_cannot_do_is_said(policy, ask, opening):
    with pytest.raises(ContinuationUnsupported):
        policy.generate(ask([*opening, AIMessage("S")], continue_final=True))
    with pytest.raises(PolicyRejected, match="eva dialect"):
        policy.generate(ask(opening, tools=[{"type": "function"}]))


def test_concurrent_conversations_do_not_mix(policy, ask, opening, look):
    def play(index: int) -> list[str]:
        options = {"seed": index, "conversation_id": f"c{index}"}
        first, _, second = next_turn(policy, ask, opening, look, **options)
        return [first.text, second.text]

    alone = [play(index) for index in range(6)]
    with ThreadPoolExecutor(6) as threads:
        assert list(threads.map(play, range(6))) == alone


async def test_async_gives_the_same(policy, ask, opening):
    request = ask(opening, max_new_tokens=6)
    first, second = await asyncio.gather(policy.agenerate(request), policy.agenerate(request))
    assert first.token_ids == second.token_ids == policy.generate(request).token_ids


def test_a_folder_may_bound_its_turns(folder, tmp_path, ask, opening):
    copy = shutil.copytree(folder, tmp_path / "copy")
    (copy / LIMITS_FILE).write_text(json.dumps({"max_new_tokens": 7}))
    completion = TransformersPolicy(copy).generate(ask(opening, max_new_tokens=50))
    assert completion.completion_tokens == 7
    assert completion.finish_reason == "length"
