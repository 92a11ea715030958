"""Questions on a world video, each with its answer: a letter out of twelve."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

import numpy as np

from eva_graph_training.world.schedule import World

Kind = Literal["time", "event"]
_TIME = re.compile(r"on the sign at (\d\d:\d\d)\?")
_EVENT = re.compile(r"while the border is (\w+)\?")


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """A question as the user writes it, and the letter that answers it."""

    kind: Kind
    text: str
    answer: str


def time_question(world: World, rng: np.random.Generator) -> Question:
    """What the sign shows at a given second, at least one second away from a change of cards."""
    steady = [card for card in world.cards if card.end_seconds - card.start_seconds >= 3]
    card = steady[int(rng.integers(len(steady)))]
    second = int(rng.integers(card.start_seconds + 1, card.end_seconds - 1))
    stamp = f"{second // 60:02d}:{second % 60:02d}"
    return Question(kind="time", text=time_text(stamp), answer=card.letter)


def event_questions(world: World) -> tuple[Question, ...]:
    """One question for each event: what the sign shows while that border is there."""
    return tuple(
        Question(
            kind="event",
            text=event_text(event.colour),
            answer=world.card_at(event.start_seconds).letter,
        )
        for event in world.events
    )


def time_text(stamp: str) -> str:
    """The question on a time, `mm:ss`."""
    return f"What letter is on the sign at {stamp}?"


def event_text(colour: str) -> str:
    """The question on the time of a border."""
    return f"What letter is on the sign while the border is {colour}?"


def asked_time(text: str) -> str | None:
    """The `mm:ss` a question names, or None."""
    found = _TIME.search(text)
    return found.group(1) if found else None


def asked_colour(text: str) -> str | None:
    """The border colour a question names, or None."""
    found = _EVENT.search(text)
    return found.group(1) if found else None
