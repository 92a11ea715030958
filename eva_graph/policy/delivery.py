"""Which message carries a look's images, for servers that do not take them in a tool message.

`tool`: the tool message holds text and images (the default, and what policies are trained on).
`user`: the tool messages of a turn hold their text, and one user message after the whole batch
holds the images, each after its label. `user_only`: there is no tool message; a user message holds
everything (servers that want a tool call before every tool message). Pure.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import Any, TypeAlias, cast

from langchain_core.messages import AIMessage, AnyMessage, HumanMessage, ToolMessage

from eva_graph.blocks import Block, blocks_of, text_block, text_of
from eva_graph.policy.protocol import ImageRole

Delivery: TypeAlias = ImageRole


def arrange(messages: Sequence[AnyMessage], delivery: Delivery) -> list[AnyMessage]:
    """The transcript with the images of tool messages where `delivery` puts them."""
    if delivery == "tool":
        return list(messages)
    arranged: list[AnyMessage] = []
    for is_tool, run in groupby(messages, lambda message: isinstance(message, ToolMessage)):
        batch = list(run)
        if not is_tool:
            arranged += batch
        elif delivery == "user":
            arranged += _text_then_images(cast("list[ToolMessage]", batch))
        else:
            arranged.append(_user(block for message in batch for block in blocks_of(message)))
    return arranged


def next_delivery(messages: Sequence[AnyMessage], refused: Delivery) -> Delivery | None:
    """The delivery that might still pass once a server has refused one.

    None without tool messages: then the images are not what the server refused. Results of
    native tool calls stay tool messages, as every server that issues calls requires.
    """
    tool_messages = [message for message in messages if isinstance(message, ToolMessage)]
    if refused == "tool" and any(map(_has_image, tool_messages)):
        return "user"
    if refused != "user_only" and tool_messages and not any(map(_has_calls, messages)):
        return "user_only"
    return None


def _text_then_images(batch: Sequence[ToolMessage]) -> list[AnyMessage]:
    texts: list[AnyMessage] = [
        message.model_copy(update={"content": text_of(message)}) for message in batch
    ]
    images = [block for message in batch for block in _labelled_images(message)]
    return [*texts, _user(images)] if images else texts


def _labelled_images(message: ToolMessage) -> Iterator[Block]:
    label = ""
    for block in blocks_of(message):
        if block["type"] == "text":
            label = "\n" + block["text"].rpartition("\n")[2]
        else:
            yield text_block(label or "\n")
            yield block
            label = ""


def _user(blocks: Any) -> HumanMessage:
    return HumanMessage(content=list(blocks))


def _has_image(message: AnyMessage) -> bool:
    return any(block["type"] == "image" for block in blocks_of(message))


def _has_calls(message: AnyMessage) -> bool:
    return isinstance(message, AIMessage) and bool(message.tool_calls or message.invalid_tool_calls)
