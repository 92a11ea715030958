"""Short lessons for the language model: what one look showed, told in the solver's words.

A lesson is a tool message and the reflection on it; how to look is left to the stages that follow.
Whole conversations hold few such decisions among many foreseeable words: on them alone a small
model stays at chance for a thousand steps.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from eva_graph.dialects.eva import CLOSINGS, SYSTEM_TEXT
from eva_graph_training.base.views import CODE_VIEWS, VIEWS, ViewName
from eva_graph_training.world import wording
from eva_graph_training.world.looking import DENSE_FRAMES
from eva_graph_training.world.plot import CODE_DIGITS, COLOURS, LETTERS
from eva_graph_training.world.solving import Seen, Sighting, Task, next_turn

IMAGE: Final = "<|vision_start|><|image_pad|><|vision_end|>"
INVENTORY_QUESTION: Final = "Where is each border?"
OPTIONS_SUFFIX: Final = "\nAnswer with the option's letter from the given choices directly."
MOST_SECONDS: Final = 3000
_OPTION_COUNT: Final = 4
_OVERVIEW_FRAMES: Final = (2, 16)
_RUNS: Final = (1, 6)
"""Showings of borders in a lesson on counting."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Lesson:
    """Message texts with `IMAGE` marks by role, and what the images show, in order."""

    messages: tuple[tuple[str, str], ...]
    sightings: tuple[Sighting, ...]


Codes = Mapping[ViewName, Sequence[str]]
ALL_CODES: Final[Codes] = {
    view: [f"{code:03d}" for code in range(10**CODE_DIGITS)] for view in CODE_VIEWS
}
CODE_SHARE: Final = 0.2


def draw_lesson(rng: np.random.Generator, codes: Codes = ALL_CODES) -> Lesson:
    """A lesson of a random kind; `codes` are those that there are pictures of."""
    if rng.random() < CODE_SHARE:
        return code_lesson(rng, codes)
    kinds = list(_SHARES)
    kind = kinds[int(rng.choice(len(kinds), p=list(_SHARES.values())))]
    return kind(rng)


def letter_lesson(rng: np.random.Generator) -> Lesson:
    """A sign to read, in one of the views that show it, or the remark that it is too small."""
    view: ViewName = ("reading", "reading", "sign", "close")[int(rng.integers(4))]
    small = rng.random() < (0.3 if view == "reading" else 0.6)
    letter = _any(rng, LETTERS)
    at = _label(rng)
    colour = _any(rng, COLOURS) if rng.random() < 0.5 else None
    text = wording.letter_at(0) if colour is None else wording.letter_while(colour, None)
    question = text.replace(wording.clock(0), at)
    others = [other for other in LETTERS if other != letter]
    task = _task(rng, question, letter, others)
    return _told(task, [_sighting(at, view, letter=letter, small=small, border=colour)])


def code_lesson(rng: np.random.Generator, codes: Codes = ALL_CODES) -> Lesson:
    """Small print to read."""
    view: ViewName = "print" if rng.random() < 0.8 else "close"
    code = _any(rng, codes[view])
    at = _label(rng)
    colour = _any(rng, COLOURS) if rng.random() < 0.5 else None
    text = wording.code_at(0) if colour is None else wording.code_while(colour, None)
    others = {f"{(int(code) + int(step)) % 1000:03d}" for step in rng.integers(1, 999, size=6)}
    task = _task(rng, text.replace(wording.clock(0), at), code, sorted(others - {code}))
    return _told(task, [_sighting(at, view, code=code, border=colour)])


def inventory_lesson(rng: np.random.Generator) -> Lesson:
    """Where each border colour is among a few small frames, each on at most one of them."""
    look = _scattered(rng)
    told = "\n".join(_place(colour, look) for colour in COLOURS)
    task = Task(question=INVENTORY_QUESTION, options=(), length_seconds=MOST_SECONDS)
    return _lesson(task, look, f"Reflection: {told}")


def search_lesson(rng: np.random.Generator) -> Lesson:
    """Where one border colour is among a few small frames, or that it is in none of them."""
    look = _scattered(rng)
    text = wording.letter_while(_any(rng, COLOURS), None)
    return _told(_task(rng, text, "A", LETTERS[1:]), look)


def order_lesson(rng: np.random.Generator) -> Lesson:
    """Two borders and which comes first."""
    look: list[Sighting] = []
    while len({frame.border for frame in look} - {None}) < 2:
        look = _scattered(rng)
    shown = sorted({frame.border for frame in look if frame.border is not None})
    one, other = (str(colour) for colour in rng.permutation(shown)[:2])
    text = wording.first_of((one, other), None)
    return _told(_task(rng, text, one, [other]), look)


def count_lesson(rng: np.random.Generator) -> Lesson:
    """How often a border is shown among frames two seconds apart."""
    colour = _any(rng, COLOURS)
    borders: list[str | None] = [None] * int(rng.integers(1, 4))
    times = 0
    for _ in range(int(rng.integers(_RUNS[0], _RUNS[1] + 1))):
        shown = colour if rng.random() < 0.6 or not times else _any(rng, COLOURS)
        borders += [shown] * int(rng.integers(2, 5)) + [None] * int(rng.integers(2, 5))
        times += shown == colour
    borders = borders[:DENSE_FRAMES]
    start = int(rng.integers(MOST_SECONDS))
    look = [
        _sighting(wording.clock(start + 2 * place), "overview", border=border)
        for place, border in enumerate(borders)
    ]
    text = wording.times_of(colour, (start, start + 2 * len(borders)))
    starts = sum(
        frame == colour and (not place or borders[place - 1] != colour)
        for place, frame in enumerate(borders)
    )
    others = [str(number) for number in range(1, _RUNS[1] + 1) if number != starts]
    return _told(_task(rng, text, str(starts), others), look)


def _scattered(rng: np.random.Generator) -> list[Sighting]:
    low, high = _OVERVIEW_FRAMES
    borders: list[str | None] = [None] * int(rng.integers(low, high + 1))
    for colour in COLOURS:
        if rng.random() < 0.5:
            borders[int(rng.integers(len(borders)))] = colour
    step = int(rng.integers(2, 16))
    start = int(rng.integers(MOST_SECONDS - step * len(borders)))
    return [
        _sighting(wording.clock(start + step * place), "overview", border=border)
        for place, border in enumerate(borders)
    ]


def _place(colour: str, look: Sequence[Sighting]) -> str:
    label = next((frame.label for frame in look if frame.border == colour), None)
    if label is None:
        return f"The {colour} border is in none of these frames."
    return f"The {colour} border is at [{label}]."


def _told(task: Task, look: Sequence[Sighting]) -> Lesson:
    """The solver's reflection on a look, without what it does next."""
    turn = next_turn(task, [Seen(frames=tuple(look), text="")])
    return _lesson(task, look, turn.split("\nSummary: ")[0])


def _lesson(task: Task, look: Sequence[Sighting], reflection: str) -> Lesson:
    frames = "\n".join(f"Frame {i} at [{seen.label}]: {IMAGE}" for i, seen in enumerate(look))
    asked = f"Question: {task.question}{_listed(task.options)}"
    shown = f"<tool_response>{frames}\n{CLOSINGS['continue']}\n\n{asked}</tool_response>"
    messages = (("system", SYSTEM_TEXT), ("tool", shown), ("assistant", reflection))
    return Lesson(messages=messages, sightings=tuple(look))


def _listed(options: Sequence[str]) -> str:
    if not options:
        return ""
    lines = "".join(f"\n{chr(65 + place)}. {text}" for place, text in enumerate(options))
    return lines + OPTIONS_SUFFIX


def _task(rng: np.random.Generator, question: str, answer: str, others: Sequence[str]) -> Task:
    """Open or with options, half and half."""
    options: tuple[str, ...] = ()
    if rng.random() < 0.5:
        wrong = [str(other) for other in rng.permutation(list(others))[: _OPTION_COUNT - 1]]
        options = tuple(str(option) for option in rng.permutation([answer, *wrong]))
    return Task(question=question, options=options, length_seconds=MOST_SECONDS)


def _sighting(
    label: str,
    view: ViewName,
    *,
    letter: str = LETTERS[0],
    code: str = "000",
    small: bool = False,
    border: str | None = None,
) -> Sighting:
    box, width = VIEWS[view].box, VIEWS[view].width
    return Sighting(
        label=label, width_pixels=width, box=box, letter=letter, code=code, small=small,
        border=border,
    )  # fmt: skip


def _label(rng: np.random.Generator) -> str:
    return wording.clock(int(rng.integers(MOST_SECONDS)))


def _any(rng: np.random.Generator, choices: Sequence[str]) -> str:
    return choices[int(rng.integers(len(choices)))]


_SHARES: Final[dict[Callable[[np.random.Generator], Lesson], float]] = {
    letter_lesson: 0.4,
    inventory_lesson: 0.25,
    search_lesson: 0.1,
    order_lesson: 0.1,
    count_lesson: 0.15,
}
