"""`openai`: chat JSON lines as the OpenAI fine-tuning service and its compatible servers take them.

A row is `{"messages": […]}`, with `tools` where the episode was played with native calls. The text
is what the policy read, written by the same code that sends it to servers. Pictures are only
allowed in user messages, so they travel as for servers that refuse them elsewhere: after the tool
messages of a native look, and instead of them where calls are text and there is none to answer. A
turn that a person edited has `"weight": 0`, the service's own switch.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from eva_graph.policy.wire import WireFormat, to_wire
from eva_graph.trajectory import Trajectory
from eva_graph.trajectory.messages import message_from_json
from eva_graph_training.export.chat import ChatMessage, parts_of
from eva_graph_training.export.frames import FramePlaces
from eva_graph_training.export.row import FormFile, FrameDelivery, Row, Unfit


class OpenAIChat:
    """Answered episodes of either dialect."""

    name = "openai"
    consumer = "the OpenAI fine-tuning service and whatever reads its chat format"
    deliveries = (FrameDelivery.INLINE, FrameDelivery.PATH)
    re_encodes = True
    how_to_load = """\
from openai import OpenAI

OpenAI().files.create(file=open("train.jsonl", "rb"), purpose="fine-tune")
"""

    def files(self) -> Sequence[FormFile]:
        """One JSON-lines file a side."""
        return [FormFile(kind="jsonl")]

    def rows(self, record: Trajectory, places: FramePlaces) -> Iterable[Row]:
        """One row. Raises `Unfit`."""
        if record.answer is None:
            raise Unfit("no answer")
        if any(message.get("invalid_tool_calls") for message in record.messages):
            raise Unfit("a native call whose arguments are no JSON")
        values: dict[str, Any] = {"messages": _messages(record, places)}
        if record.tool_schemas:
            values["tools"] = record.tool_schemas
        conversation = [
            ChatMessage(role=message["role"], parts=tuple(parts_of(message["content"])))
            for message in record.messages
        ]
        yield Row(values=values, conversation=conversation)

    def companions(self, sides: Sequence[str]) -> Mapping[str, str]:
        """None."""
        return {}


def _messages(record: Trajectory, places: FramePlaces) -> list[dict[str, Any]]:
    wire_format = WireFormat(
        delivery="user" if record.dialect == "native" else "user_only",
        media_uuid=False,
        frame_path=places.file if places.delivery is FrameDelivery.PATH else None,
    )
    written = to_wire(
        [message_from_json(message) for message in record.messages], places.data, wire_format
    )
    assistant = [message for message in written if message["role"] == "assistant"]
    for turn, message in zip(record.turns, assistant, strict=True):
        if not turn.own:
            message["weight"] = 0
    return written
