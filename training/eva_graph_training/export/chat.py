"""A recorded transcript as chat messages that no consumer has shaped yet.

Frames are references until a form says how its rows name them. A turn that a person edited, or
that was made for the policy (a baseline's look), is never trained: the policy did not write it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from eva_graph.blocks import frame_of
from eva_graph.trajectory import Trajectory
from eva_graph_tools import FrameRef
from eva_graph_training.export.row import Unfit

Part = str | FrameRef


@dataclass(frozen=True, slots=True, kw_only=True)
class ChatMessage:
    """One message: its parts in reading order, and whether an assistant message is learned."""

    role: str
    parts: tuple[Part, ...]
    trained: bool = True

    @property
    def text(self) -> str:
        """The text parts, joined."""
        return "".join(part for part in self.parts if isinstance(part, str))

    @property
    def frames(self) -> tuple[FrameRef, ...]:
        """The frames that it shows."""
        return tuple(part for part in self.parts if isinstance(part, FrameRef))


def transcript(record: Trajectory) -> list[ChatMessage]:
    """Every message that the policy read or wrote, as text and frames.

    Raises:
        Unfit: the calls are native ones, which are no text.
    """
    if record.dialect == "native":
        raise Unfit("native tool calls: only the openai form holds them")
    foreign = {turn.turn for turn in record.turns if not turn.own}
    messages: list[ChatMessage] = []
    turn = 0
    for message in record.messages:
        turn += message["role"] == "assistant"
        messages.append(
            ChatMessage(
                role=message["role"],
                parts=tuple(parts_of(message["content"])),
                trained=message["role"] != "assistant" or turn not in foreign,
            )
        )
    return messages


def parts_of(content: str | Sequence[dict[str, Any]]) -> Iterator[Part]:
    """Text and frames of a recorded message's content."""
    if isinstance(content, str):
        yield content
        return
    for part in content:
        yield frame_of(part) or str(part["text"])


def opening(messages: Sequence[ChatMessage]) -> list[ChatMessage]:
    """What the policy was given before its first turn: no frames.

    Raises:
        Unfit: the policy wrote nothing.
    """
    for index, message in enumerate(messages):
        if message.role == "assistant":
            return list(messages[:index])
    raise Unfit("no turn was written")


def frames_of(messages: Sequence[ChatMessage]) -> list[FrameRef]:
    """All frames in reading order."""
    return [frame for message in messages for frame in message.frames]


def learned(messages: Sequence[ChatMessage]) -> bool:
    """Whether any turn is left for the loss."""
    return any(message.role == "assistant" and message.trained for message in messages)


def written_in_phases(record: Trajectory) -> bool:
    """Whether any stretch of a turn was injected, or sampled by a call of its own."""
    return any(
        turn.policy_calls > 1 or any(not span.sampled for span in turn.spans)
        for turn in record.turns
    )
