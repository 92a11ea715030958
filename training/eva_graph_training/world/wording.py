"""The words of the grown-up world's questions: written from values, and read back into them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

Kind = Literal[
    "time", "small_print", "event", "event_print", "short_event", "order", "count", "scenes",
    "transcript", "no_look",
]  # fmt: skip
Window = tuple[int, int]
"""Start and end in whole seconds."""

_CLOCK = r"\d{2,3}:\d\d"
_COLOUR = r"red|green|blue|yellow|purple"
_RANGE = rf"(?: between (?P<start>{_CLOCK}) and (?P<end>{_CLOCK}))?\?"
_LETTER, _CODE = "What letter is on the sign", "What code is below the sign"
_FORMS: tuple[tuple[Kind, str], ...] = (
    ("time", rf"{_LETTER} at (?P<time>{_CLOCK})\?"),
    ("small_print", rf"{_CODE} at (?P<time>{_CLOCK})\?"),
    ("event", rf"{_LETTER} while the border is (?P<first>{_COLOUR}){_RANGE}"),
    ("event_print", rf"{_CODE} while the border is (?P<first>{_COLOUR}){_RANGE}"),
    ("short_event", rf"{_LETTER} while the border is briefly (?P<first>{_COLOUR}){_RANGE}"),
    ("order", rf"Which border comes first, (?P<first>{_COLOUR}) or (?P<second>{_COLOUR}){_RANGE}"),
    ("count", rf"How many times is the border (?P<first>{_COLOUR}){_RANGE}"),
    ("scenes", rf"How many scenes are there{_RANGE}"),
    ("transcript", r"What is the word for (?P<noun>[a-z]+)\?"),
    ("no_look", r"How many seconds long is the video\?"),
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What a question names. Times are as written, `mm:ss`."""

    kind: Kind
    time: str | None = None
    colours: tuple[str, ...] = ()
    window: tuple[str, str] | None = None
    noun: str | None = None


def clock(seconds: int) -> str:
    """A time as questions and frame labels write it; minutes may exceed 59."""
    return f"{seconds // 60:02d}:{seconds % 60:02d}"


def letter_at(seconds: int) -> str:
    """The letter at a given time."""
    return f"What letter is on the sign at {clock(seconds)}?"


def code_at(seconds: int) -> str:
    """The small print at a given time."""
    return f"What code is below the sign at {clock(seconds)}?"


def letter_while(colour: str, window: Window | None, *, briefly: bool = False) -> str:
    """The letter while a border is shown."""
    how = "briefly " if briefly else ""
    return f"What letter is on the sign while the border is {how}{colour}{_between(window)}?"


def code_while(colour: str, window: Window | None) -> str:
    """The small print while a border is shown."""
    return f"What code is below the sign while the border is {colour}{_between(window)}?"


def first_of(colours: tuple[str, str], window: Window | None) -> str:
    """Which of two borders is shown first."""
    return f"Which border comes first, {colours[0]} or {colours[1]}{_between(window)}?"


def times_of(colour: str, window: Window) -> str:
    """How often a border is shown."""
    return f"How many times is the border {colour}{_between(window)}?"


def scenes_in(window: Window) -> str:
    """How many scenes a range has."""
    return f"How many scenes are there{_between(window)}?"


def word_for(noun: str) -> str:
    """A fact that only the subtitles tell."""
    return f"What is the word for {noun}?"


def length() -> str:
    """What the first message tells."""
    return "How many seconds long is the video?"


def read_question(text: str) -> Asked:
    """What a question names.

    Raises:
        ValueError: it is none of the world's.
    """
    for kind, form in _FORMS:
        found = re.fullmatch(form, text)
        if found is not None:
            return _asked(kind, found.groupdict())
    raise ValueError(f"not a question of the world: {text!r:.120}")


def _asked(kind: Kind, named: dict[str, str | None]) -> Asked:
    start, end = named.get("start"), named.get("end")
    colours = (named.get("first"), named.get("second"))
    return Asked(
        kind=kind,
        time=named.get("time"),
        colours=tuple(colour for colour in colours if colour is not None),
        window=None if start is None or end is None else (start, end),
        noun=named.get("noun"),
    )


def _between(window: Window | None) -> str:
    return "" if window is None else f" between {clock(window[0])} and {clock(window[1])}"
