"""What a row of a training set says: its frames in order, and the turns that may be learned."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from PIL import Image

Frame = str | Image.Image
"""An address as `export.frames` writes it, or a picture."""

_NAME_CHARACTERS = 60


@dataclass(frozen=True, slots=True, kw_only=True)
class RowView:
    """One row as the checks read it.

    Attributes:
        name: its place in the batch and its question, shortened; rows have no ids.
        frames: of all its messages, in reading order.
        learned: the texts of the assistant turns that may be learned, in order.
    """

    name: str
    frames: tuple[Frame, ...]
    learned: tuple[str, ...]

    @classmethod
    def of(cls, row: Mapping[str, Any], number: int) -> RowView:
        """The view of a row of a data set.

        Args:
            row: as the trainer's data set holds it.
            number: its place in the batch.
        """
        messages = messages_of(row)
        return cls(
            name=f"row {number} of the batch ({question_of(messages)})",
            frames=tuple(frames_of(messages)),
            learned=tuple(
                text_of(message)
                for message in messages
                if message["role"] == "assistant" and message.get("train", True)
            ),
        )


def messages_of(row: Mapping[str, Any]) -> Sequence[Mapping[str, Any]]:
    """All messages of an SFT row (`messages`) or a KTO row (`prompt`, `completion`)."""
    if "messages" in row:
        messages: Sequence[Mapping[str, Any]] = row["messages"]
        return messages
    return [*row["prompt"], *row["completion"]]


def frames_of(messages: Sequence[Mapping[str, Any]]) -> list[Frame]:
    """The frames of chat messages in reading order."""
    return [
        part["image"] for message in messages for part in _parts(message) if part["type"] == "image"
    ]


def text_of(message: Mapping[str, Any]) -> str:
    """The text parts of a message, joined."""
    return "".join(part["text"] for part in _parts(message) if part["type"] == "text")


def question_of(messages: Sequence[Mapping[str, Any]]) -> str:
    """The end of the first user message on one line: it names a row in errors."""
    asked = [text_of(message) for message in messages if message["role"] == "user"]
    line = " ".join(asked[0].split()) if asked else ""
    return line if len(line) <= _NAME_CHARACTERS else "…" + line[1 - _NAME_CHARACTERS :]


def _parts(message: Mapping[str, Any]) -> Sequence[Mapping[str, Any]]:
    content = message.get("content") or ""
    return [{"type": "text", "text": content}] if isinstance(content, str) else content
