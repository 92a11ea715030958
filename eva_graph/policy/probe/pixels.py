"""Whether images are seen, in which message, how many, and what they cost.

Being accepted proves nothing: servers drop images without a word. So the prompt must grow by as
much as an image costs, by no more for a picture of more bytes, and by as much in a tool message.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from langchain_core.messages import AIMessage, AnyMessage, HumanMessage, ToolMessage

from eva_graph.blocks import Block, frame_block, text_block
from eva_graph.policy.delivery import Delivery
from eva_graph.policy.probe.asking import Asking, Heard
from eva_graph.policy.probe.pictures import LARGE_PIXELS, SMALL_PIXELS
from eva_graph.policy.probe.report import Answer, Capability, Found
from eva_graph_tools import FrameRef

SEVERAL = 16
_PLACEHOLDER_TOKENS = 8
"""At most this many tokens is the text that some servers put in an image's place."""
_LOOK = '<tool_call>{"tool": "frame_select", "arguments": {}}</tool_call>'
_CALL = {"id": "call-1", "name": "seek", "args": {"time": 1}}
_NAMES: dict[Delivery, Capability] = {
    "tool": "tool_images",
    "user": "images_after_tool",
    "user_only": "user_only_images",
}


def found(capability: Capability, answer: Answer, detail: str) -> Found:
    """One finding."""
    return Found(capability=capability, answer=answer, detail=detail)


class ImageChecks:
    """The image part of a probe; the first check comes first, the others rest on what it saw."""

    def __init__(self, asking: Asking, tools: Sequence[dict[str, Any]]) -> None:
        """`tools` are the schemas that go along in the native dialect, else empty."""
        self._asking = asking
        self._tools = tools
        self._image_tokens: int | None = None

    async def seen(self, plain: Heard) -> tuple[Found, int | None]:
        """Whether an image in a user message is seen, and the patch side that its cost shows."""
        pictures = self._asking.pictures
        small = await self._asking.ask([_user(pictures.small)])
        if small.error is not None:
            return found("images", "no", small.trouble), None
        large = await self._asking.ask([_user(pictures.large)])
        small_tokens, large_tokens = small.growth_over(plain), large.growth_over(plain)
        if small_tokens is None or large_tokens is None:
            why = large.trouble if large.error else "accepted, but the server counts no tokens"
            return found("images", "unknown", why), None
        if small_tokens > large_tokens or small_tokens <= _PLACEHOLDER_TOKENS:
            return found("images", "ignored", _unseen(small_tokens, large_tokens)), None
        self._image_tokens = small_tokens
        cost = (
            f"{SMALL_PIXELS}×{SMALL_PIXELS} pixels cost {small_tokens} tokens, "
            f"{LARGE_PIXELS}×{LARGE_PIXELS} cost {large_tokens}"
        )
        return found("images", "yes", cost), _patch_pixels(large_tokens - small_tokens)

    async def deliveries(self) -> tuple[list[Found], Delivery | None]:
        """Tries the messages that may carry a look's images, up to the first that does."""
        tried: list[Found] = []
        for delivery, name in _NAMES.items():
            if delivery == "user_only" and self._tools:
                break  # results of native calls stay tool messages
            answer, detail = await self._delivered(delivery)
            tried.append(found(name, answer, detail))
            if answer == "yes" or (answer == "unknown" and self._image_tokens is None):
                return tried, delivery
        return tried, None

    async def _delivered(self, delivery: Delivery) -> tuple[Answer, str]:
        shown = await self._ask_after_look(delivery, [self._asking.pictures.small])
        if shown.error is not None:
            return "no", shown.trouble
        bare = await self._ask_after_look(delivery, [])
        growth = shown.growth_over(bare)
        if growth is None or self._image_tokens is None:
            return "unknown", bare.trouble if bare.error else "accepted; not shown to be seen"
        if growth < self._image_tokens // 2:
            return "ignored", (
                f"accepted, but the prompt grows by {growth} tokens instead of {self._image_tokens}"
            )
        return "yes", f"the prompt grows by {growth} tokens"

    async def several(self, delivery: Delivery) -> list[Found]:
        """Whether many images of one message are all seen, and then: does a repeat hit a cache."""
        pictures = self._asking.pictures.several(SEVERAL)
        shown = await self._ask_after_look(delivery, pictures)
        if shown.error is not None:
            return [found("several_images", "no", f"{SEVERAL} in one message: {shown.trouble}")]
        bare = await self._ask_after_look(delivery, [])
        again = await self._ask_after_look(delivery, pictures)
        return [self._all_seen(shown.growth_over(bare)), _cached(again)]

    def _all_seen(self, growth: int | None) -> Found:
        if growth is None or self._image_tokens is None:
            return found("several_images", "unknown", f"{SEVERAL} accepted; not shown to be seen")
        seen = min(SEVERAL, round(growth / self._image_tokens))
        answer: Answer = "yes" if seen == SEVERAL else "ignored"
        return found("several_images", answer, f"{seen} of {SEVERAL} in one message are seen")

    async def uuids(self) -> Found:
        """Whether an image that was sent under a name is found by the name alone."""
        if "uuid" in self._asking.manners.without:
            return found("media_uuids", "no", "the field is refused")
        message = [_user(self._asking.pictures.small)]
        whole = await self._asking.ask(message)
        named = await self._asking.ask(message, change=_without_pixels)
        if named.error is not None:
            return found("media_uuids", "ignored", f"the name alone: {named.trouble}")
        if named.growth_over(whole) != 0:
            return found("media_uuids", "ignored", "the name alone stands for no image")
        return found("media_uuids", "yes", "an image that was sent before is known by its name")

    async def _ask_after_look(self, delivery: Delivery, pictures: Sequence[FrameRef]) -> Heard:
        messages = _after_look(pictures, native=bool(self._tools))
        return await self._asking.ask(messages, delivery=delivery, tools=self._tools)


def _user(picture: FrameRef) -> HumanMessage:
    content: Any = [text_block("Say yes."), frame_block(picture)]
    return HumanMessage(content=content)


def _after_look(pictures: Sequence[FrameRef], *, native: bool) -> list[AnyMessage]:
    blocks: list[Block] = [text_block("<tool_response>Frames: ")]
    blocks += [frame_block(picture) for picture in pictures]
    content: Any = [*blocks, text_block("</tool_response>")]
    call = AIMessage("", tool_calls=[_CALL]) if native else AIMessage(_LOOK)
    return [HumanMessage("Look."), call, ToolMessage(content, tool_call_id=str(_CALL["id"]))]


def _unseen(small_tokens: int, large_tokens: int) -> str:
    if small_tokens > large_tokens:
        return "accepted, but taken for text: what counts is the picture's bytes, not its size"
    return f"accepted, but the prompt grows by {small_tokens} tokens only: the image is dropped"


def _patch_pixels(tokens_between: int) -> int | None:
    if tokens_between <= 0:
        return None  # every image costs the same
    return round(math.sqrt((LARGE_PIXELS**2 - SMALL_PIXELS**2) / tokens_between)) or None


def _cached(again: Heard) -> Found:
    cached = again.completion.cached_tokens if again.completion else None
    if cached is None:
        return found("cached_tokens", "no", "usage does not tell what came from a prefix cache")
    told = f"{cached} of {again.prompt_tokens} tokens of a repeated prompt came from a cache"
    return found("cached_tokens", "yes", told)


def _without_pixels(body: dict[str, Any]) -> dict[str, Any]:
    """Every image by its name alone, as vLLM takes it from its cache."""
    messages = [
        message | {"content": [_named(part) for part in message["content"]]}
        for message in body["messages"]
    ]
    return body | {"messages": messages}


def _named(part: dict[str, Any]) -> dict[str, Any]:
    return part | {"image_url": None} if part["type"] == "image_url" else part
