"""What the vision-integrity check can find, and how it says so."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from eva_graph.errors import InvalidRequest


class ViolationKind(StrEnum):
    """One way in which what is trained on differs from what the rollout saw."""

    MISSING = "missing_frame"
    """The store has no file for a frame."""
    CHANGED = "changed_frame"
    """The file's hash is not the one that the rollout saw."""
    UNDECODABLE = "undecodable_frame"
    """The file is no picture of its media type."""
    SIZE = "wrong_size"
    """The picture has another size than the record says."""
    BLANK = "blank_frame"
    """One flat colour, and the video cannot show that it is so there."""
    PLACEHOLDERS = "placeholders"
    """Frames of the calls, image places of the messages and grid rows do not agree."""
    TEXT = "placeholder_in_text"
    """A text holds a processor's image token, which would count as one more image place."""
    LABEL = "wrong_label"
    """The text before a frame does not name the frame's time."""
    UNREADABLE = "unreadable_reference"
    """An image part or a call's frame names no frame."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Violation:
    """One thing that is wrong with one record."""

    kind: ViolationKind
    trajectory_id: str
    detail: str
    turn: int | None = None
    """The turn whose look showed the frame, from 1; 0 for the opening messages."""
    frame: int | None = None
    """Which image of that turn, from 0, as its label counts in the `eva` dialect."""

    def __str__(self) -> str:
        where = [f"record {self.trajectory_id}"]
        where += [f"turn {self.turn}"] if self.turn is not None else []
        where += [f"frame {self.frame}"] if self.frame is not None else []
        return f"{', '.join(where)}: {self.kind}: {self.detail}"


def violation_kinds(names: list[str]) -> frozenset[ViolationKind]:
    """Kinds by name, e.g. those that a person allows. Raises `InvalidRequest` for others."""
    try:
        return frozenset(ViolationKind(name) for name in names)
    except ValueError:
        known = ", ".join(ViolationKind)
        raise InvalidRequest(f"unknown violation among {names}: choose from {known}") from None
