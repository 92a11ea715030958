"""Parts of servers for the probe: how they see images, and a model that answers its questions."""

from __future__ import annotations

import base64
import io
from typing import Any

from episodes import QUESTION, TWO_LOOKS, look, span
from openai_server import Reply, Traits
from PIL import Image

TRAINED, GENERAL = look(span(0, 60, 8)), "I would need to see the video."


def patches(role: str, content: bytes, *, pixels: int = 28) -> str:
    with Image.open(io.BytesIO(content)) as picture:
        return "#" * (picture.width // pixels * (picture.height // pixels))


def dropped_in_tool(role: str, content: bytes) -> str:
    return "<image>" if role == "tool" else patches(role, content)


def as_text(role: str, content: bytes) -> str:
    return base64.b64encode(content).decode()


def mind(opening: str) -> Any:
    """A model that opens an episode with `opening`, calls tools and keeps to a guide."""

    def say(body: dict[str, Any]) -> str | Reply:
        first, last = body["messages"][0]["content"], body["messages"][-1]["content"]
        if "structured_outputs" in body:
            return "k7red"
        if "tools" in body and "tool seek" in last:
            return Reply(calls=[("seek", '{"time": 3}')], finish_reason="tool_calls")
        if body.get("continue_final_message"):
            return last + " four"
        return opening if "Frame Select Tool" in first else "yes"

    return say


def episode(body: dict[str, Any]) -> str | Reply:
    """Two looks, natively or not, to `QUESTION`; the probe's questions answered beside."""
    if not any(QUESTION in str(message["content"]) for message in body["messages"]):
        return mind(TRAINED)(body)
    return TWO_LOOKS[sum(message["role"] == "assistant" for message in body["messages"])]


FULL = Traits(render_image=patches, counts_cached=True, keeps_media=True)
