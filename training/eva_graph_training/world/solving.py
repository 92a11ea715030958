"""A program that answers the grown-up world's questions by looking, within six turns.

Its next turn is a pure function of the first message and of what its earlier looks showed. It
never sees the plot. Every number in a call is a constant or stands, digit for digit, in the first
message or on a frame's label.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from string import ascii_uppercase

from eva_graph_training.world import looking
from eva_graph_training.world.looking import Candidates
from eva_graph_training.world.wording import Asked, Kind, read_question

PRINT_KINDS: tuple[Kind, ...] = ("small_print", "event_print")
_READING_WIDTH_PIXELS, _FULL_WIDTH_PIXELS = 112, 224


@dataclass(frozen=True, slots=True, kw_only=True)
class Sighting:
    """What one frame of a look shows to somebody who can read it.

    Attributes:
        label: its time as written.
        width_pixels: of the frame; tells with `box` how close the look was.
        box: the part of the picture, None for all of it.
        letter, code: on the sign and below it.
        small: the letter is to be read at full detail only.
        border: its colour, None without one.
    """

    label: str
    width_pixels: int
    box: tuple[float, float, float, float] | None
    letter: str
    code: str
    small: bool
    border: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """One look: its frames and its text."""

    frames: tuple[Sighting, ...]
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """What the first message says."""

    question: str
    options: tuple[str, ...]
    length_seconds: int


def next_turn(task: Task, looks: Sequence[Seen]) -> str:
    """The assistant message that follows these looks, in the text form of the eva dialect.

    Raises:
        ValueError: the question is not one of the world's, or no scan showed what it asks for.
    """
    asked = read_question(task.question)
    if not looks:
        return _first_turn(task, asked)
    if asked.kind == "transcript":
        return answer(task, "The word", _told(asked, looks[-1]))
    if asked.kind == "scenes":
        return answer(task, "The number of scenes", _scenes(looks[-1]))
    if asked.kind == "count":
        return _counted(task, asked, looks[-1])
    if asked.kind == "order":
        return _ordered(task, asked, looks)
    return _read_sign(task, asked, looks)


def _first_turn(task: Task, asked: Asked) -> str:
    if asked.kind == "no_look":
        return answer(task, "The length", str(task.length_seconds), seen=False)
    if asked.kind == "transcript":
        return looking.turn(None, "The subtitles tell it.", looking.listen(asked.noun or ""))
    if asked.kind == "scenes" and asked.window is not None:
        return looking.turn(None, "The scenes are to be found.", looking.scenes(*asked.window))
    if asked.time is not None:
        summary = "Nothing seen yet. The time is given."
        return looking.turn(None, summary, _close(asked, asked.time, first=True))
    return looking.turn(None, "Nothing seen yet. The time is unknown.", _scan(task, asked, 0))


def _read_sign(task: Task, asked: Asked, looks: Sequence[Seen]) -> str:
    """Find the border where the question names one, look closer, read."""
    sight = found(asked, looks)
    if sight is None:
        return _scan_again(task, asked, looks, asked.colours[0])
    last = looks[-1].frames[0] if is_close(looks[-1]) else None
    if last is None:
        reflection = f"The {sight.border} border is at [{sight.label}]."
        summary = "The sign is to be read there."
        return looking.turn(reflection, summary, _close(asked, sight.label, first=True))
    if asked.kind in PRINT_KINDS:
        return answer(task, "The code", last.code)
    if last.small and last.box is None and last.width_pixels < _FULL_WIDTH_PIXELS:
        reflection = "The letter is too small to read."
        summary = "The sign needs full detail."
        return looking.turn(reflection, summary, _close(asked, last.label, first=False))
    return answer(task, "The letter", last.letter)


def _close(asked: Asked, label: str, *, first: bool) -> Candidates:
    if asked.kind in PRINT_KINDS:
        return looking.read_print(label)
    return looking.read_sign(label) if first else looking.read_small_sign(label)


def _counted(task: Task, asked: Asked, look: Seen) -> str:
    """The border's showings, each by the label of its first frame, numbered."""
    (colour,) = asked.colours
    starts: list[str] = []
    before = False
    for frame in look.frames:
        shown = frame.border == colour
        if shown and not before:
            starts.append(f"{len(starts) + 1} at [{frame.label}]")
        before = shown
    return answer(task, f"The {colour} border: {', '.join(starts)}. The number", str(len(starts)))


def _ordered(task: Task, asked: Asked, looks: Sequence[Seen]) -> str:
    shown = {frame.border: frame.label for frame in reversed(looks[-1].frames)}
    missing = [colour for colour in asked.colours if colour not in shown]
    if missing:
        return _scan_again(task, asked, looks, missing[0])
    labels = [frame.label for frame in looks[-1].frames]
    order = sorted(asked.colours, key=lambda colour: labels.index(shown[colour]))
    places = " ".join(f"The {colour} border is at [{shown[colour]}]." for colour in order)
    return answer(task, f"{places} The first border", order[0])


def _scan(task: Task, asked: Asked, number: int) -> Candidates:
    return looking.scan(asked.kind, asked.window, task.length_seconds, number)


def _scan_again(task: Task, asked: Asked, looks: Sequence[Seen], colour: str) -> str:
    reflection = f"The {colour} border is in none of these frames."
    return looking.turn(reflection, "It lies between them.", _scan(task, asked, len(looks)))


def is_close(look: Seen) -> bool:
    """Whether a look shows a sign large enough to be read."""
    frame = look.frames[0]
    return frame.box is not None or frame.width_pixels >= _READING_WIDTH_PIXELS


def found(asked: Asked, looks: Sequence[Seen]) -> Sighting | None:
    """The frame that the answer is to be read from, as far as it is known."""
    for look in looks:
        for frame in look.frames:
            if not asked.colours or frame.border == asked.colours[0]:
                return frame
    return None


def _told(asked: Asked, look: Seen) -> str:
    line = re.search(rf"The word for {asked.noun} is ([A-Z])\.", look.text)
    if line is None:
        raise ValueError(f"no subtitle tells the word for {asked.noun}")
    return line.group(1)


def _scenes(look: Seen) -> str:
    count = re.search(r"(\d+) scenes?, found", look.text)
    if count is None:
        raise ValueError(f"no number of scenes in {look.text!r:.120}")
    return count.group(1)


def answer(task: Task, what: str, value: str, *, seen: bool = True) -> str:
    """The last message: what was found, as a letter where there are options.

    Raises:
        ValueError: it is none of the options.
    """
    heading = "Reflection" if seen else "Summary"
    if not task.options:
        return f"{heading}: {what} is {value}.\n<answer>{value}</answer>"
    letter = ascii_uppercase[task.options.index(value)]
    return f"{heading}: {what} is {value}, option {letter}.\n<answer>{letter}</answer>"
