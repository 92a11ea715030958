"""A transcript with one look of two stored frames, as the graph would hand it to a policy."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Callable
from typing import Any

import pytest
from langchain_core.messages import (
    AIMessage,
    AnyMessage,
    HumanMessage,
    SystemMessage,
    ToolMessage,
)
from PIL import Image

from eva_graph.blocks import frame_block, text_block
from eva_graph.policy.protocol import PolicyRequest
from eva_graph_tools import FrameMissing, FrameRef

CALL = '<tool_call>{"tool": "frame_select", "arguments": {"start_time": 0}}</tool_call>'


class Stored:
    """Frames by hash."""

    def __init__(self) -> None:
        self.bytes: dict[str, bytes] = {}

    def put(self, colour: str, at_seconds: float) -> FrameRef:
        return self.put_image(Image.new("RGB", (56, 56), colour), at_seconds)

    def put_image(self, image: Image.Image, at_seconds: float) -> FrameRef:
        buffer = io.BytesIO()
        image.save(buffer, "PNG")
        sha256 = hashlib.sha256(buffer.getvalue()).hexdigest()
        self.bytes[sha256] = buffer.getvalue()
        return FrameRef(
            sha256=sha256,
            media_type="image/png",
            encoding="png",
            width=image.width,
            height=image.height,
            video_id="sha256:00",
            pts_seconds=at_seconds,
        )

    def load(self, ref: FrameRef) -> bytes:
        if ref.sha256 not in self.bytes:
            raise FrameMissing(f"{ref.uri} is gone")
        return self.bytes[ref.sha256]


@pytest.fixture
def stored() -> Stored:
    return Stored()


@pytest.fixture
def opening() -> list[AnyMessage]:
    return [SystemMessage("Look closely."), HumanMessage("Which colour?")]


@pytest.fixture
def look(stored: Stored) -> ToolMessage:
    """A tool message with a red and a blue frame."""
    return ToolMessage(
        content=[
            text_block("<tool_response>"),
            text_block("Frame 0 at [00:01]: "),
            frame_block(stored.put("red", 1.0)),
            text_block("\nFrame 1 at [00:02]: "),
            frame_block(stored.put("blue", 2.0)),
            text_block("\nQuestion: Which colour?</tool_response>"),
        ],
        tool_call_id="t:1",
    )


@pytest.fixture
def after_look(opening: list[AnyMessage], look: ToolMessage) -> list[AnyMessage]:
    return [*opening, AIMessage(CALL), look]


@pytest.fixture
def ask(stored: Stored) -> Callable[..., PolicyRequest]:
    """Makes a request of messages and options."""

    def request(messages: list[AnyMessage], **options: Any) -> PolicyRequest:
        options = {"conversation_id": "c", "max_new_tokens": 64} | options
        return PolicyRequest(messages=messages, load_frame=stored.load, **options)

    return request
