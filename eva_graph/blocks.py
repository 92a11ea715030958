"""Content blocks of messages: text, and images as references to stored frames, never pixels."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, TypeAlias, cast

from langchain_core.messages import BaseMessage

from eva_graph_tools import FrameRef

Block: TypeAlias = dict[str, Any]
"""`{"type": "text", "text": …}` or `{"type": "image", "url": "frame://…", "extras": {…}}`."""


def text_block(text: str) -> Block:
    """A text part."""
    return {"type": "text", "text": text}


def frame_block(ref: FrameRef) -> Block:
    """An image part that names a stored frame; `extras` carries what re-decoding would need."""
    return {"type": "image", "url": ref.uri, "extras": {"frame": ref.to_json()}}


def frame_of(block: Block) -> FrameRef | None:
    """The frame an image part names, or None for any other part."""
    if block.get("type") != "image":
        return None
    return FrameRef.from_json(block["extras"]["frame"])


def blocks_of(message: BaseMessage) -> list[Block]:
    """The parts of a message; a plain string is one text part."""
    if isinstance(message.content, str):
        return [text_block(message.content)]
    return [
        cast("Block", part) if isinstance(part, dict) else text_block(part)
        for part in message.content
    ]


def frames_of(messages: Sequence[BaseMessage]) -> Iterator[FrameRef]:
    """All frames that the messages name, in reading order."""
    for message in messages:
        for block in blocks_of(message):
            frame = frame_of(block)
            if frame is not None:
                yield frame


def text_of(message: BaseMessage) -> str:
    """The text parts of a message, joined."""
    return "".join(block["text"] for block in blocks_of(message) if block.get("type") == "text")
