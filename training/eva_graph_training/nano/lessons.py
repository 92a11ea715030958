"""Short lessons for the language model: one turn and what it rests on, the rest left out.

Whole conversations hold few decisions among many foreseeable words. A lesson is mostly decision:
frames to read, first turns, openings up to the first overview, overviews of their own, and
inventories: overviews after which the place of every border colour is told.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from eva_graph_training.nano.rehearsal import (
    IMAGE,
    SHORT_VIDEO_SECONDS,
    Rehearsal,
    random_rehearsal,
    stamp,
    tool_text,
    user_text,
)
from eva_graph_training.world.scene import (
    BORDER_COLOURS,
    LARGE_GLYPH_PIXELS,
    LETTERS,
    SIDE_PIXELS,
    SMALL_GLYPH_PIXELS,
    Moment,
)
from eva_graph_training.world.teacher import Sighting, Task, next_turn, not_seen, seen_at

CLOSE_SHARE = SMALL_SHARE = 0.3
INVENTORY_SHARE = 0.85
OVERVIEW_FRAMES = (2, 20)
INVENTORY_QUESTION = "Where is each border?"


@dataclass(frozen=True, slots=True, kw_only=True)
class Mixture:
    """Shares of the kinds of text in training; whole conversations are what the others leave."""

    readings: float
    overviews: float
    first_turns: float = 0.0
    openings: float = 0.0
    time_share: float = 0.35
    """Share of questions on given times among whole conversations."""

    def draw(self, rng: np.random.Generator) -> Rehearsal:
        """A text of a random kind."""
        kind = rng.random()
        for share, make in (
            (self.readings, reading),
            (self.overviews, overview),
            (self.first_turns, first_turn),
            (self.openings, opening),
        ):
            if kind < share:
                return make(rng)
            kind -= share
        return random_rehearsal(rng, time_share=self.time_share)


def first_turn(rng: np.random.Generator) -> Rehearsal:
    """A question of either kind and the first turn."""
    return Rehearsal(messages=random_rehearsal(rng, time_share=0.5).messages[:3], sightings=())


def opening(rng: np.random.Generator) -> Rehearsal:
    """A conversation on an event up to the turn after its first overview."""
    whole = random_rehearsal(rng, time_share=0.0)
    messages = whole.messages[:5]
    frames = messages[3][1].count(IMAGE)
    return Rehearsal(messages=messages, sightings=whole.sightings[:frames])


def reading(rng: np.random.Generator) -> Rehearsal:
    """One frame at reading or full size, and the answer or the remark that it is too small."""
    task = _random_task(rng)
    close = rng.random() < CLOSE_SHARE
    moment = _moment(rng, _asked(task), small_share=1.0 if close else SMALL_SHARE)
    look = _shots(rng, [moment], SIDE_PIXELS if close else SIDE_PIXELS // 2, task)
    whole = _lesson(task, look, next_turn(task, [look]))
    if moment.small and not close:
        return whole  # the next call copies the length from the first message
    return Rehearsal(messages=whole.messages[1:], sightings=whole.sightings)


def overview(rng: np.random.Generator, *, inventory_share: float = INVENTORY_SHARE) -> Rehearsal:
    """A scan of a few frames, each colour on at most one of them, and what follows from it."""
    task = _random_task(rng)
    borders: list[str | None] = [None] * int(
        rng.integers(OVERVIEW_FRAMES[0], OVERVIEW_FRAMES[1] + 1)
    )
    for shown in BORDER_COLOURS:
        if rng.random() < 0.5:
            borders[int(rng.integers(len(borders)))] = shown
    moments = [_moment(rng, border, small_share=SMALL_SHARE) for border in borders]
    look = _shots(rng, moments, SIDE_PIXELS // 4, task)
    if rng.random() >= inventory_share:
        return _lesson(task, look, next_turn(task, [look]))
    told = Task(question=INVENTORY_QUESTION, length_seconds=task.length_seconds)
    return _lesson(told, look, _inventory(look))


def _lesson(task: Task, look: Sequence[Sighting], turn: str) -> Rehearsal:
    shown = tool_text([seen.label for seen in look], task.question)
    messages = (("user", user_text(task)), ("tool", shown), ("assistant", turn))
    return Rehearsal(messages=messages, sightings=tuple(look))


def _inventory(look: Sequence[Sighting]) -> str:
    lines: list[str] = []
    for colour in BORDER_COLOURS:
        label = next((seen.label for seen in look if seen.moment.border == colour), None)
        lines.append(not_seen(colour) if label is None else seen_at(colour, label))
    return "Reflection: " + "\n".join(lines)


def _random_task(rng: np.random.Generator) -> Task:
    colour = str(rng.choice(list(BORDER_COLOURS)))
    return Task(
        question=f"What letter is on the sign while the border is {colour}?",
        length_seconds=int(rng.integers(SHORT_VIDEO_SECONDS[0], SHORT_VIDEO_SECONDS[1] + 1)),
    )


def _asked(task: Task) -> str:
    return task.question.rstrip("?").rsplit(" ", 1)[1]


def _shots(
    rng: np.random.Generator, moments: Sequence[Moment], width_pixels: int, task: Task
) -> list[Sighting]:
    seconds = rng.choice(task.length_seconds // 2, size=len(moments), replace=False)
    return [
        Sighting(label=stamp(2.0 * float(time)), width_pixels=width_pixels, moment=moment)
        for time, moment in zip(np.sort(seconds), moments, strict=True)
    ]


def _moment(rng: np.random.Generator, border: str | None, *, small_share: float) -> Moment:
    low, high = SMALL_GLYPH_PIXELS if rng.random() < small_share else LARGE_GLYPH_PIXELS
    return Moment(
        letter=LETTERS[int(rng.integers(len(LETTERS)))],
        glyph_pixels=int(rng.integers(low, high + 1)),
        offset_pixels=(0, 0),
        border=border,
    )
