"""The plot of a video as a pure function of its seed, its length and the dials.

Each part has random numbers of its own: turning one dial leaves the parts that it does not name
as they were, but for the cards, which follow the borders.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from eva_graph_training.world.dials import Dials, Range
from eva_graph_training.world.plot import (
    CODE_DIGITS,
    COLOURS,
    LETTERS,
    Card,
    Event,
    Plot,
    Scene,
    Shape,
)
from eva_graph_training.world.telling import lines_of

LEAST_SECONDS, MOST_SECONDS = 60, 7200
MAX_SHIFT_PIXELS = 4
LONG_SECONDS = 1200
"""Videos longer than this have half as many frames a second, too few for a fade."""
FRAMES_PER_SECOND = (10, 5)
LANES = 4
_HUE_STEP_DEGREES = (120, 240)
_BURST_GAP_SECONDS = (4, 6)
_LEAST_TAIL_SECONDS = 3


def make_plot(seed: int, duration_seconds: int, dials: Dials) -> Plot:
    """The plot of that seed.

    Raises:
        ValueError: the video is shorter than a minute or longer than two hours.
    """
    if not LEAST_SECONDS <= duration_seconds <= MOST_SECONDS:
        raise ValueError(
            f"a world video lasts {LEAST_SECONDS} to {MOST_SECONDS} seconds, not {duration_seconds}"
        )
    looks, scenes, events, cards, lines = (
        np.random.default_rng((seed, duration_seconds, part)) for part in range(5)
    )
    light, dark = int(looks.integers(215, 256)), int(looks.integers(0, 50))
    borders = tuple(_events(events, duration_seconds, dials))
    return Plot(
        seed=seed,
        duration_seconds=duration_seconds,
        dials=dials,
        frames_per_second=FRAMES_PER_SECOND[duration_seconds > LONG_SECONDS],
        sparse=bool(looks.random() < dials.sparse_share),
        paper=(light, light, int(looks.integers(200, 256))),
        ink=(dark, dark, int(looks.integers(0, 60))),
        scenes=tuple(_scenes(scenes, duration_seconds, dials)),
        cards=tuple(_cards(cards, duration_seconds, borders, dials)),
        events=borders,
        lines=tuple(lines_of(lines, duration_seconds, dials)),
        shapes=tuple(_shapes(looks, dials)),
    )


def drawn(rng: np.random.Generator, between: Range) -> int:
    """A whole number of the range, both ends included."""
    return int(rng.integers(between[0], between[1] + 1))


def _scenes(rng: np.random.Generator, duration_seconds: int, dials: Dials) -> Iterator[Scene]:
    clock, hue = 0, int(rng.integers(360))
    while clock < duration_seconds:
        end = clock + drawn(rng, dials.scene_seconds)
        if duration_seconds - end < dials.scene_seconds[0]:
            end = duration_seconds
        fades = bool(rng.random() < dials.fade_share)
        yield Scene(
            start_seconds=clock,
            end_seconds=end,
            background_seed=int(rng.integers(2**31)),
            hue_degrees=hue,
            fades=fades and clock > 0 and duration_seconds <= LONG_SECONDS,
        )
        clock, hue = end, (hue + drawn(rng, _HUE_STEP_DEGREES)) % 360


def _events(rng: np.random.Generator, duration_seconds: int, dials: Dials) -> Iterator[Event]:
    clock = 0
    while True:
        calm = rng.random() < dials.calm_share
        gap = drawn(rng, dials.calm_seconds if calm else dials.gap_seconds)
        for event in _burst(rng, clock + gap, dials):
            clock = event.end_seconds
            if clock > duration_seconds - _LEAST_TAIL_SECONDS:
                return
            yield event


def _burst(rng: np.random.Generator, start: int, dials: Dials) -> Iterator[Event]:
    """A border, which may come again soon."""
    colour = COLOURS[int(rng.integers(len(COLOURS)))]
    short = bool(rng.random() < dials.short_share)
    again = not short and rng.random() < dials.burst_share
    least = dials.event_seconds[0]
    lengths = (least, least + 1) if again else dials.event_seconds
    for _ in range(1 + (drawn(rng, dials.burst_repeats) if again else 0)):
        end = start + drawn(rng, dials.short_event_seconds if short else lengths)
        yield Event(start_seconds=start, end_seconds=end, colour=colour, short=short)
        start = end + drawn(rng, _BURST_GAP_SECONDS)


def _cards(
    rng: np.random.Generator, duration_seconds: int, events: tuple[Event, ...], dials: Dials
) -> Iterator[Card]:
    last = ""
    for start, end in _card_spans(rng, duration_seconds, events, dials):
        card = _card(rng, start, end, last, dials)
        last = card.letter
        yield card


def _card_spans(
    rng: np.random.Generator, duration_seconds: int, events: tuple[Event, ...], dials: Dials
) -> Iterator[tuple[int, int]]:
    """Borders have a card of their own; between them cards follow each other."""
    clock = 0
    ends = [(event.start_seconds, event.end_seconds) for event in events]
    for start, end in (*ends, (duration_seconds, duration_seconds)):
        while clock < start:
            until = min(clock + drawn(rng, dials.card_seconds), start)
            yield clock, until
            clock = until
        if start < end:
            yield start, end
            clock = end


def _card(rng: np.random.Generator, start: int, end: int, last: str, dials: Dials) -> Card:
    choices = [letter for letter in LETTERS if letter != last]
    small = bool(rng.random() < dials.small_share)
    shift = rng.integers(-MAX_SHIFT_PIXELS, MAX_SHIFT_PIXELS + 1, size=2)
    return Card(
        start_seconds=start,
        end_seconds=end,
        letter=choices[int(rng.integers(len(choices)))],
        letter_pixels=drawn(rng, dials.small_letter_pixels if small else dials.letter_pixels),
        code="".join(str(digit) for digit in rng.integers(10, size=CODE_DIGITS)),
        code_pixels=drawn(rng, dials.code_pixels),
        shift_pixels=(int(shift[0]), int(shift[1])),
        small=small,
    )


def _shapes(rng: np.random.Generator, dials: Dials) -> Iterator[Shape]:
    for lane in rng.permutation(LANES)[: drawn(rng, dials.shapes)]:
        red, green, blue = (int(level) for level in rng.integers(60, 200, size=3))
        yield Shape(
            round=bool(rng.random() < 0.5),
            colour=(red, green, blue),
            side_pixels=int(rng.integers(12, 20)),
            lane=int(lane),
            start_pixels=int(rng.integers(180)),
            speed_pixels=int(rng.integers(1, 5)),
        )
