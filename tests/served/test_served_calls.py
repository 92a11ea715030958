"""OpenAIPolicy against a real vLLM: what the scripted servers only pretend."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from langchain_core.messages import AIMessage, AnyMessage, HumanMessage, SystemMessage, ToolMessage

from eva_graph.blocks import frame_block, text_block
from eva_graph.errors import ContextOverflow, PolicyRejected
from eva_graph.policy.openai_compatible import OpenAIPolicy
from eva_graph.policy.processor import load_processor
from eva_graph.policy.protocol import PolicyRequest
from eva_graph.testing import make_clip
from eva_graph_tools import FrameStore, Video

pytestmark = [pytest.mark.vllm, pytest.mark.timeout(600)]

CALL = (
    'Summary: Nothing seen yet.\n<tool_call>{"tool": "frame_select", "arguments": {}}</tool_call>'
)
OPENING: list[AnyMessage] = [SystemMessage("Look."), HumanMessage("Video Length: 12 seconds.")]


@pytest.fixture(scope="module")
def video(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Video]:
    path = make_clip(tmp_path_factory.mktemp("clip") / "clip.mp4", size=(224, 224))
    with Video.open(path) as opened:
        yield opened


@pytest.fixture
def store(media: Path) -> FrameStore:
    return FrameStore(media)


@pytest.fixture
def look(video: Video, store: FrameStore) -> Callable[[float, float], ToolMessage]:
    def make(start: float, end: float) -> ToolMessage:
        blocks = [text_block("<tool_response>")]
        for index, frame in enumerate(video.frame_select(start, end, nframes=4, resize=0.5)):
            blocks.append(text_block(f"Frame {index} at [00:0{index}]: "))
            blocks.append(frame_block(store.put(frame, video.video_id)))
        return ToolMessage([*blocks, text_block("</tool_response>")], tool_call_id="t")

    return make


@pytest.fixture
def ask(store: FrameStore) -> Callable[..., PolicyRequest]:
    def request(messages: list[AnyMessage], **options: Any) -> PolicyRequest:
        options = {"conversation_id": "c", "max_new_tokens": 32} | options
        return PolicyRequest(messages=messages, load_frame=store.read, **options)

    return request


def test_info(served, in_process):
    info = served.info
    assert (info.name, info.context_tokens) == ("nano", in_process.info.context_tokens)
    assert info.supports_continuation


def test_prompt_ids_equal_the_ids_in_process_over_three_turns(served, in_process, ask, look):
    messages = list(OPENING)
    for start in (0, 4, 8):
        there, here = served.generate(ask(messages)), in_process.generate(ask(messages))
        assert there.prompt_token_ids == here.prompt_token_ids
        assert there.token_ids == here.token_ids
        assert there.logprobs == pytest.approx(here.logprobs, abs=1e-3)
        assert (there.images_in, there.requests) == ("tool", 1)
        messages += [AIMessage(CALL), look(start, start + 3)]


def test_the_frames_matter(served, ask, look):
    first, second = (
        served.generate(ask([*OPENING, AIMessage(CALL), look(start, start + 0.3)]))
        for start in (0, 4)
    )
    assert first.prompt_token_ids == second.prompt_token_ids
    assert first.logprobs != second.logprobs


def test_frames_as_files_are_the_same_frames(base_url, served, store, ask, look):
    request = ask([*OPENING, AIMessage(CALL), look(0, 3)])
    by_file = OpenAIPolicy(base_url, frame_path=store.path).generate(request)
    assert by_file.token_ids == served.generate(request).token_ids
    assert by_file.prompt_token_ids == served.generate(request).prompt_token_ids


def test_a_begun_message_is_continued_to_the_stop(served, in_process, ask):
    begun = [*OPENING, AIMessage("Summary: Nothing seen yet.\n")]
    request = ask(begun, continue_final=True, max_new_tokens=8)
    continued = served.generate(request)
    tokenizer = load_processor(in_process.info.name).tokenizer
    prompt = tokenizer.decode(continued.prompt_token_ids)
    assert prompt.endswith("<|im_start|>assistant\nSummary: Nothing seen yet.\n")
    stop = continued.text[2:5]
    cut = served.generate(ask(begun, continue_final=True, max_new_tokens=8, stop=(stop,)))
    assert cut.text == continued.text[: continued.text.index(stop)]
    assert cut.finish_reason == "stop"


def test_guided_text_matches_its_regex(served, ask):
    begun = [*OPENING, AIMessage("Summary: Nothing seen yet.\n<tool_call>")]
    pattern = r'\{"tool": "frame_select", "arguments": \{"start_time": [1-9][0-9]{0,2}\}\}'
    guided = served.generate(ask(begun, continue_final=True, guided_regex=pattern))
    assert guided.text.startswith('{"tool": "frame_select", "arguments": {"start_time": ')
    assert guided.text.endswith("}}")


def test_overflow_and_the_last_room(served, ask):
    context = served.info.context_tokens
    roomy = served.generate(ask(OPENING, max_new_tokens=context - 5, stop=("e",)))
    assert roomy.requests == 2
    with pytest.raises(ContextOverflow):
        served.generate(ask([HumanMessage("0 " * context)]))


def test_an_unknown_model_name_is_rejected(base_url, ask):
    with pytest.raises(PolicyRejected, match="does not exist"):
        OpenAIPolicy(base_url, "other").generate(ask(OPENING))


async def test_calls_side_by_side_do_not_mix(served, ask, look):
    messages = [[*OPENING, AIMessage(CALL), look(start, start + 1)] for start in range(8)]
    together = await asyncio.gather(*(served.agenerate(ask(one)) for one in messages))
    for one, completion in zip(messages, together, strict=True):
        alone = await served.agenerate(ask(one))
        assert completion.logprobs[0] == pytest.approx(alone.logprobs[0], abs=1e-3)
