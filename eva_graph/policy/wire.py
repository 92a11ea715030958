"""LangChain messages with frame references as OpenAI chat-completions JSON, and nothing else.

Images become `image_url` parts: a `data:` URL of the stored bytes, or a `file://` URL where the
server shares the disk. The frame's hash goes along as `uuid`, under which vLLM caches the processed
image. This is the one place where pixels enter a request; no message object is changed.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from langchain_core.messages import AIMessage, AnyMessage, SystemMessage, ToolMessage

from eva_graph.blocks import blocks_of, frame_of, text_of
from eva_graph.policy.delivery import Delivery, arrange
from eva_graph_tools import FrameRef

Json = dict[str, Any]
LoadFrame = Callable[[FrameRef], bytes]


@dataclass(frozen=True, slots=True, kw_only=True)
class WireFormat:
    """How a server wants its messages.

    Attributes:
        delivery: which message carries the images of a look.
        media_uuid: name every image by its hash; off for servers that refuse unknown fields.
        frame_path: gives the file of a frame on a disk that the server can read, or None to
            send the bytes.
    """

    delivery: Delivery = "tool"
    media_uuid: bool = True
    frame_path: Callable[[FrameRef], Path | None] | None = None


def to_wire(
    messages: Sequence[AnyMessage], load_frame: LoadFrame, wire_format: WireFormat
) -> list[Json]:
    """The `messages` field of a chat-completions request.

    Raises:
        FrameMissing: `load_frame` cannot give a frame.
    """
    return [
        _message(message, load_frame, wire_format)
        for message in arrange(messages, wire_format.delivery)
    ]


def _message(message: AnyMessage, load_frame: LoadFrame, wire_format: WireFormat) -> Json:
    if isinstance(message, AIMessage):
        return _assistant(message)
    content = _content(message, load_frame, wire_format)
    if isinstance(message, ToolMessage):
        return {"role": "tool", "tool_call_id": message.tool_call_id, "content": content}
    return {"role": "system" if isinstance(message, SystemMessage) else "user", "content": content}


def _assistant(message: AIMessage) -> Json:
    calls = [
        _call(call["id"], call["name"], json.dumps(call["args"])) for call in message.tool_calls
    ]
    # Servers parse the arguments of earlier calls as JSON objects; what is none travels inside one.
    calls += [
        _call(call["id"], call["name"], json.dumps({"not_json": call["args"]}))
        for call in message.invalid_tool_calls
    ]
    wire: Json = {"role": "assistant", "content": text_of(message)}
    if calls:
        wire["tool_calls"] = calls
    return wire


def _call(call_id: str | None, name: str | None, arguments: str) -> Json:
    return {
        "id": call_id or "",
        "type": "function",
        "function": {"name": name or "", "arguments": arguments},
    }


def _content(
    message: AnyMessage, load_frame: LoadFrame, wire_format: WireFormat
) -> str | list[Json]:
    blocks = blocks_of(message)
    if all(block["type"] == "text" for block in blocks):
        return text_of(message)  # some servers join text parts with newlines
    return [_part(block, load_frame, wire_format) for block in blocks]


def _part(block: Mapping[str, Any], load_frame: LoadFrame, wire_format: WireFormat) -> Json:
    frame = frame_of(dict(block))
    if frame is None:
        return {"type": "text", "text": block["text"]}
    part: Json = {"type": "image_url", "image_url": {"url": _url(frame, load_frame, wire_format)}}
    if wire_format.media_uuid:
        part["uuid"] = frame.sha256
    return part


def _url(frame: FrameRef, load_frame: LoadFrame, wire_format: WireFormat) -> str:
    path = wire_format.frame_path(frame) if wire_format.frame_path else None
    if path is not None:
        return path.resolve().as_uri()
    encoded = base64.b64encode(load_frame(frame)).decode("ascii")
    return f"data:{frame.media_type};base64,{encoded}"
