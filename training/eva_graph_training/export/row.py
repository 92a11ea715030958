"""The contract between the export and its forms.

A form makes rows from one record at a time, so that an export of any size runs in constant memory.
What it cannot take it refuses with `Unfit`, whose reason is counted and told; nothing is cut.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Literal, Protocol

from eva_graph.trajectory import Trajectory

if TYPE_CHECKING:
    from datasets import Features

    from eva_graph_training.export.chat import ChatMessage
    from eva_graph_training.export.frames import FramePlaces

FileKind = Literal["jsonl", "parquet"]


class FrameDelivery(StrEnum):
    """How rows name a frame."""

    PATH = "path"
    """The absolute path of the file in the run: nothing is copied."""
    COPY = "copy"
    """A path relative to the export, which then holds the frames that it needs."""
    INLINE = "inline"
    """The encoded bytes themselves, as a `data:` URL or a binary column."""


class Unfit(Exception):
    """A record that a form cannot take; the message is the reason, counted in the card."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One row of a consumer's file.

    Attributes:
        values: its columns, JSON (bytes too where the file is Parquet).
        conversation: everything that the consumer will encode, for the length limit.
        tokens: its length where that is known exactly.
        part: which of the form's files it belongs to.
        key: rows with one key are one row; None: every row stands for itself.
    """

    values: Mapping[str, Any]
    conversation: Sequence[ChatMessage]
    tokens: int | None = None
    part: str = ""
    key: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Left:
    """A row of one of a form's files that could not be made, while its others could."""

    part: str
    reason: str

    def described(self) -> str:
        """The reason, and of which file the row would have been."""
        return f"{self.part.removeprefix('.')} row: {self.reason}" if self.part else self.reason


@dataclass(frozen=True, slots=True, kw_only=True)
class FormFile:
    """A file that a form writes for each side of the split: `train<part>.<kind>`."""

    part: str = ""
    kind: FileKind
    features: Features | None = None
    """Column types; Parquet files carry them, so that the consumer infers nothing."""


class Form(Protocol):
    """One consumer's layout."""

    @property
    def name(self) -> str:
        """As `--to` takes it."""
        ...

    @property
    def consumer(self) -> str:
        """Who reads it, in words for the card."""
        ...

    @property
    def deliveries(self) -> tuple[FrameDelivery, ...]:
        """Ways to name frames that the consumer can read, the usual one first."""
        ...

    @property
    def how_to_load(self) -> str:
        """Code or a command for the card."""
        ...

    @property
    def re_encodes(self) -> bool:
        """Whether the consumer encodes the text anew, so that turns may be non-canonical."""
        ...

    def files(self) -> Sequence[FormFile]:
        """What is written for each side of the split."""
        ...

    def rows(self, record: Trajectory, places: FramePlaces) -> Iterable[Row | Left]:
        """The rows of a record. Raises `Unfit` before the first."""
        ...

    def companions(self, sides: Sequence[str]) -> Mapping[str, str]:
        """Further files that the consumer needs, by name; `sides` are those that hold rows."""
        ...
