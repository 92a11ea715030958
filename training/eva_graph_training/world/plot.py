"""What happens in a world video and when. Everything begins and ends on whole seconds.

A scene is a background. On the sign stands a card: a letter, and below it a code in small print.
Now and then a coloured border frames the picture; while it is shown the card does not change.
Subtitle lines tell facts, or nothing.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

from eva_graph_training.world.dials import Dials

LETTERS = "ACEHKLOSTVXZ"
CODE_DIGITS = 3
COLOURS = ("red", "green", "blue", "yellow", "purple")


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """From `start_seconds` up to but not including `end_seconds`."""

    start_seconds: int
    end_seconds: int

    @property
    def length_seconds(self) -> int:
        """How long it lasts."""
        return self.end_seconds - self.start_seconds

    def within(self, start_seconds: int, end_seconds: int) -> bool:
        """Whether all of it lies in that range."""
        return start_seconds <= self.start_seconds and self.end_seconds <= end_seconds

    def meets(self, start_seconds: int, end_seconds: int) -> bool:
        """Whether some of it lies in that range."""
        return self.start_seconds < end_seconds and start_seconds < self.end_seconds


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene(Span):
    """One background. `fades` says that it fades in during its first half second."""

    background_seed: int
    hue_degrees: int
    fades: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Card(Span):
    """One showing of a letter and a code, at a shift from the sign's place."""

    letter: str
    letter_pixels: int
    code: str
    code_pixels: int
    shift_pixels: tuple[int, int]
    small: bool
    """Whether the letter is to be read at full detail only."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Event(Span):
    """One showing of a border."""

    colour: str
    short: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Line(Span):
    """One subtitle. `noun` and `letter` are the fact that it tells, None in a decoy."""

    text: str
    noun: str | None
    letter: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """A moving shape without meaning: which, where it starts, and pixels a second."""

    round: bool
    colour: tuple[int, int, int]
    side_pixels: int
    lane: int
    start_pixels: int
    speed_pixels: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Plot:
    """All of one video. Scenes and cards cover it without gaps; borders and lines never touch.

    Attributes:
        paper, ink: RGB of the sign.
        frames_per_second: of a video that lacks no frame.
        sparse: frames are missing, though never the first of a second.
        lines: empty where the video has no subtitles.
    """

    seed: int
    duration_seconds: int
    dials: Dials
    frames_per_second: int
    sparse: bool
    paper: tuple[int, int, int]
    ink: tuple[int, int, int]
    scenes: tuple[Scene, ...]
    cards: tuple[Card, ...]
    events: tuple[Event, ...]
    lines: tuple[Line, ...]
    shapes: tuple[Shape, ...]

    def scene_at(self, time_seconds: float) -> Scene:
        """The background at that time."""
        return _covering(self.scenes, time_seconds)

    def card_at(self, time_seconds: float) -> Card:
        """The card on the sign at that time."""
        return _covering(self.cards, time_seconds)

    def border_at(self, time_seconds: float) -> str | None:
        """The colour of the border at that time, None without one."""
        place = bisect_right(self.events, time_seconds, key=lambda event: event.start_seconds)
        if place == 0 or self.events[place - 1].end_seconds <= time_seconds:
            return None
        return self.events[place - 1].colour

    def events_in(self, start_seconds: int, end_seconds: int, colour: str) -> list[Event]:
        """The borders of a colour that are shown in a range, also in part."""
        return [
            event
            for event in self.events
            if event.colour == colour and event.meets(start_seconds, end_seconds)
        ]


_S = TypeVar("_S", bound=Span)


def _covering(spans: Sequence[_S], time_seconds: float) -> _S:
    place = bisect_right(spans, time_seconds, key=lambda span: span.start_seconds)
    return spans[max(place - 1, 0)]
