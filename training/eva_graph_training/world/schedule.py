"""What happens in a world video and when, as a pure function of a seed and a length.

Everything changes on whole seconds. Cards with a letter follow each other on the sign; now and
then a coloured border is shown for 4 to 10 seconds, each colour at most once in a video, and while
it is shown the card does not change.
"""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass

import numpy as np

from eva_graph_training.world.scene import (
    BORDER_COLOURS,
    LARGE_GLYPH_PIXELS,
    LETTERS,
    SMALL_GLYPH_PIXELS,
    Moment,
    Style,
    random_style,
)

CARD_SECONDS = (3, 8)
EVENT_SECONDS = (4, 10)
SMALL_SHARE = 0.3
MAX_OFFSET_PIXELS = 6
EVENTS_PER_VIDEO = (2, 4)


@dataclass(frozen=True, slots=True, kw_only=True)
class Card:
    """One showing of a letter, from `start_seconds` up to but not including `end_seconds`."""

    start_seconds: int
    end_seconds: int
    letter: str
    glyph_pixels: int
    offset_pixels: tuple[int, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """One showing of a border, from `start_seconds` up to but not including `end_seconds`."""

    start_seconds: int
    end_seconds: int
    colour: str


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    """The whole schedule of one video. Cards cover it without gaps, events do not touch."""

    seed: int
    duration_seconds: int
    style: Style
    cards: tuple[Card, ...]
    events: tuple[Event, ...]

    def card_at(self, time_seconds: float) -> Card:
        """The card on the sign at that time."""
        starts = [card.start_seconds for card in self.cards]
        return self.cards[bisect_right(starts, time_seconds) - 1]

    def moment_at(self, time_seconds: float) -> Moment:
        """What is visible at that time."""
        card = self.card_at(time_seconds)
        border = None
        for event in self.events:
            if event.start_seconds <= time_seconds < event.end_seconds:
                border = event.colour
        return Moment(
            letter=card.letter,
            glyph_pixels=card.glyph_pixels,
            offset_pixels=card.offset_pixels,
            border=border,
        )


def make_world(seed: int, duration_seconds: int) -> World:
    """The schedule of that seed. `duration_seconds` must leave room for the events: 60 or more.

    Raises:
        ValueError: the video is shorter than a minute.
    """
    if duration_seconds < 60:
        raise ValueError(f"a world video lasts 60 seconds or more, not {duration_seconds}")
    rng = np.random.default_rng((seed, duration_seconds))
    style = random_style(rng)
    events = _place_events(rng, duration_seconds)
    return World(
        seed=seed,
        duration_seconds=duration_seconds,
        style=style,
        cards=_lay_cards(rng, duration_seconds, events),
        events=events,
    )


def move_event(world: World, colour: str, start_seconds: int) -> World:
    """The same video with one event, and the card below it, moved to another start.

    Raises:
        ValueError: the event would touch another one or leave the video.
    """
    moved = next(event for event in world.events if event.colour == colour)
    length = moved.end_seconds - moved.start_seconds
    others = tuple(event for event in world.events if event is not moved)
    event = Event(start_seconds=start_seconds, end_seconds=start_seconds + length, colour=colour)
    if start_seconds < 0 or event.end_seconds > world.duration_seconds:
        raise ValueError(f"no room for {event} in {world.duration_seconds} seconds")
    if any(_touch(event, other) for other in others):
        raise ValueError(f"{event} touches another event")
    card = world.card_at(moved.start_seconds)
    kept = _without(world.cards, event)
    shown = Card(
        start_seconds=event.start_seconds,
        end_seconds=event.end_seconds,
        letter=card.letter,
        glyph_pixels=card.glyph_pixels,
        offset_pixels=card.offset_pixels,
    )
    cards = tuple(sorted((*kept, shown), key=lambda item: item.start_seconds))
    events = tuple(sorted((*others, event), key=lambda item: item.start_seconds))
    return World(
        seed=world.seed,
        duration_seconds=world.duration_seconds,
        style=world.style,
        cards=cards,
        events=events,
    )


def _place_events(rng: np.random.Generator, duration_seconds: int) -> tuple[Event, ...]:
    count = int(rng.integers(EVENTS_PER_VIDEO[0], EVENTS_PER_VIDEO[1] + 1))
    colours = rng.permutation(list(BORDER_COLOURS))[:count]
    events: list[Event] = []
    for colour in colours:
        while True:
            length = int(rng.integers(EVENT_SECONDS[0], EVENT_SECONDS[1] + 1))
            start = int(rng.integers(0, duration_seconds - length + 1))
            event = Event(start_seconds=start, end_seconds=start + length, colour=str(colour))
            if not any(_touch(event, other) for other in events):
                break
        events.append(event)
    return tuple(sorted(events, key=lambda event: event.start_seconds))


def _touch(one: Event, other: Event) -> bool:
    return one.start_seconds <= other.end_seconds and other.start_seconds <= one.end_seconds


def _lay_cards(
    rng: np.random.Generator, duration_seconds: int, events: tuple[Event, ...]
) -> tuple[Card, ...]:
    cards: list[Card] = []
    clock = 0
    for event in (*events, None):
        limit = duration_seconds if event is None else event.start_seconds
        while clock < limit:
            length = int(rng.integers(CARD_SECONDS[0], CARD_SECONDS[1] + 1))
            cards.append(_card(rng, clock, min(clock + length, limit), cards))
            clock = cards[-1].end_seconds
        if event is not None:
            cards.append(_card(rng, event.start_seconds, event.end_seconds, cards))
            clock = event.end_seconds
    return tuple(cards)


def _card(rng: np.random.Generator, start: int, end: int, before: list[Card]) -> Card:
    choices = [letter for letter in LETTERS if not before or letter != before[-1].letter]
    low, high = SMALL_GLYPH_PIXELS if rng.random() < SMALL_SHARE else LARGE_GLYPH_PIXELS
    shift = rng.integers(-MAX_OFFSET_PIXELS, MAX_OFFSET_PIXELS + 1, size=2)
    return Card(
        start_seconds=start,
        end_seconds=end,
        letter=choices[int(rng.integers(len(choices)))],
        glyph_pixels=int(rng.integers(low, high + 1)),
        offset_pixels=(int(shift[0]), int(shift[1])),
    )


def _without(cards: tuple[Card, ...], event: Event) -> list[Card]:
    kept: list[Card] = []
    for card in cards:
        for start, end in (
            (card.start_seconds, min(card.end_seconds, event.start_seconds)),
            (max(card.start_seconds, event.end_seconds), card.end_seconds),
        ):
            if start < end:
                kept.append(
                    Card(
                        start_seconds=start,
                        end_seconds=end,
                        letter=card.letter,
                        glyph_pixels=card.glyph_pixels,
                        offset_pixels=card.offset_pixels,
                    )
                )
    return kept
