"""Subtitle lines: facts that only they tell, and decoys that name things without telling any."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from eva_graph_training.world.dials import Dials
from eva_graph_training.world.plot import LETTERS, Line

NOUNS = (
    "mango", "lamp", "river", "candle", "horse", "window", "garden", "pencil", "bridge", "carpet",
    "button", "ladder", "monkey", "island", "pocket", "rocket", "saddle", "tunnel", "violin",
    "walnut", "basket", "copper", "dragon", "engine",
)  # fmt: skip
LINE_SECONDS = 2
_DECOYS = ("I saw a {noun} today.", "Is that your {noun}?", "This {noun} is not mine.")


def fact_text(noun: str, letter: str) -> str:
    """The line that tells the fact."""
    return f"The word for {noun} is {letter}."


def lines_of(rng: np.random.Generator, duration_seconds: int, dials: Dials) -> Iterator[Line]:
    """The lines of a video in order; each noun has one fact at most, decoys name any."""
    if rng.random() >= dials.subtitled_share:
        return
    untold = [str(noun) for noun in rng.permutation(NOUNS)]
    clock = 0
    while True:
        low, high = dials.line_gap_seconds
        clock += int(rng.integers(low, high + 1))
        if clock + LINE_SECONDS > duration_seconds or not untold:
            return
        yield _line(rng, clock, untold, dials)
        clock += LINE_SECONDS


def _line(rng: np.random.Generator, start: int, untold: list[str], dials: Dials) -> Line:
    end = start + LINE_SECONDS
    if rng.random() < dials.decoy_line_share:
        noun = NOUNS[int(rng.integers(len(NOUNS)))]
        text = _DECOYS[int(rng.integers(len(_DECOYS)))].format(noun=noun)
        return Line(start_seconds=start, end_seconds=end, text=text, noun=None, letter=None)
    noun, letter = untold.pop(), LETTERS[int(rng.integers(len(LETTERS)))]
    text = fact_text(noun, letter)
    return Line(start_seconds=start, end_seconds=end, text=text, noun=noun, letter=letter)
