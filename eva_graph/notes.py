"""What is remembered of a video: notes as a store keeps them, and the words a policy reads of them.

Notes are JSON with times and frame references, never pixels. What a note says was read off the
video or written by a policy: it is told as one plain line each, and opens no tag.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Final, Literal, TypeAlias

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter

from eva_graph.trajectory.clock import Moment, utc_now
from eva_graph_tools import labels
from eva_graph_tools.plain_text import plain, untagged

HEADING: Final = "Known from earlier looks at this video:"
_LINE_CHARACTERS = 300
_FACTS: Final[Mapping[str, re.Pattern[str]]] = {
    "scene_detect": re.compile(r"\d+(–\d+)?\. \["),
    "transcript": re.compile(r"\[\d"),
}
"""How the lines of a tool's text begin that are facts of the video, not of the look."""


class _Note(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    noted: Moment = Field(default_factory=utc_now)
    """When it was written down."""


class LookNote(_Note):
    """Lines that a look at scenes or subtitles gave."""

    kind: Literal["look"] = "look"
    tool: Literal["scene_detect", "transcript"]
    applied: dict[str, Any]
    """The arguments that ran."""
    lines: tuple[str, ...]
    frames: tuple[dict[str, Any], ...] = ()
    """`FrameRef.to_json()` of the frames shown with them."""

    @property
    def text(self) -> str:
        """What and where, then the lines."""
        what = "Scenes" if self.tool == "scene_detect" else "Said"
        query = self.applied.get("query")
        about = f" about '{_line(str(query))}'" if query else ""
        times = [self.applied.get(name) for name in ("start_time", "end_time")]
        known = [time for time in times if isinstance(time, int | float)]
        if len(known) == 2:
            start, end = labels(known)
            about += f" from [{start}] to [{end}]"
        return "\n".join([f"{what}{about}:", *map(_line, self.lines)])


class SeenStretch(BaseModel):
    """A stretch of video that an answer rests on."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    start_seconds: float = Field(ge=0, allow_inf_nan=False)
    end_seconds: float = Field(ge=0, allow_inf_nan=False)
    frames: tuple[dict[str, Any], ...]
    """`FrameRef.to_json()` of each, in time order."""

    @property
    def label(self) -> str:
        """Its times as frame labels write them."""
        if self.start_seconds == self.end_seconds:
            return f"[{labels([self.start_seconds])[0]}]"
        start, end = labels([self.start_seconds, self.end_seconds])
        return f"[{start}]–[{end}]"


class AnswerNote(_Note):
    """A question that was answered, and what the answer rests on."""

    kind: Literal["answer"] = "answer"
    question: str
    answer: str
    """With options the text of the chosen one."""
    evidence: tuple[SeenStretch, ...]

    @property
    def text(self) -> str:
        """One line."""
        seen = ", ".join(stretch.label for stretch in self.evidence)
        return f"Asked: {_line(self.question)} Answered: {_line(self.answer)} (seen at {seen})"


Note: TypeAlias = Annotated[LookNote | AnswerNote, Field(discriminator="kind")]
NOTES: Final[TypeAdapter[LookNote | AnswerNote]] = TypeAdapter(Note)
"""Reads a note from its JSON. Raises pydantic's `ValidationError`."""


def look_note(
    tool: str, applied: Mapping[str, Any], text: str, frames: Sequence[dict[str, Any]] = ()
) -> LookNote | None:
    """What a look's text says of the video; None where it says nothing, or for other tools."""
    pattern = _FACTS.get(tool)
    lines = tuple(line for line in text.splitlines() if pattern and pattern.match(line))
    if not lines:
        return None
    return LookNote.model_validate(
        {"tool": tool, "applied": dict(applied), "lines": lines, "frames": tuple(frames)}
    )


def told(notes: Sequence[LookNote | AnswerNote], max_characters: int) -> str:
    """The notes as a policy reads them: the newest that fit, in the order of their writing.

    Args:
        notes: the newest first.
        max_characters: of the whole text; one note takes at most half of it.
    """
    chosen: list[str] = []
    room = max_characters - len(HEADING)
    for note in notes:
        text = "\n- " + _shortened(note.text, max_characters // 2)
        if len(text) <= room:
            chosen.append(text)
            room -= len(text)
    return HEADING + "".join(reversed(chosen)) if chosen else ""


def _shortened(text: str, max_characters: int) -> str:
    """As many whole lines as fit, and how many do not."""
    if len(text) <= max_characters:
        return text
    lines = text.splitlines()
    kept = len(lines)
    while kept > 1 and len("\n".join(lines[:kept])) > max_characters - 20:
        kept -= 1
    return "\n".join([*lines[:kept], f"({len(lines) - kept} more lines)"])


def _line(text: str) -> str:
    return untagged(plain(text, _LINE_CHARACTERS))
