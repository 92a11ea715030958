"""The splits of the grown-up world: which seeds, how long, how hard, and which questions.

Each split has a million seeds of its own, so no two share a video. A split is a pure function of
its name and of how many videos are taken; a longer one begins with the shorter one's videos.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np

from eva_graph_training.world.asking import KINDS, Question, ask
from eva_graph_training.world.dials import HARD, NORMAL, Dials, Range
from eva_graph_training.world.plot import Plot
from eva_graph_training.world.plotting import LEAST_SECONDS, MOST_SECONDS, drawn, make_plot

_SPACING = 1_000_000
_FILE = re.compile(r"([a-z]+)-(\d{7})-(\d{2,4})s\.mp4", re.ASCII)


@dataclass(frozen=True, slots=True, kw_only=True)
class Lengths:
    """Lengths that a share of a split's videos have, in seconds."""

    share: float
    seconds: Range


@dataclass(frozen=True, slots=True, kw_only=True)
class Split:
    """A split.

    Attributes:
        number: its place among the seeds.
        dials: how hard it is.
        lengths: of its videos; the shares sum to 1.
        long_seconds: the lengths of its few videos longer than 20 minutes, which come first.
    """

    number: int
    dials: Dials
    lengths: tuple[Lengths, ...]
    long_seconds: tuple[int, ...]


_NORMAL_LENGTHS = (
    Lengths(share=0.7, seconds=(60, 180)),
    Lengths(share=0.3, seconds=(181, 600)),
)
_HARD_LENGTHS = (
    Lengths(share=0.4, seconds=(60, 180)),
    Lengths(share=0.6, seconds=(181, 1200)),
)
SPLITS: Final[dict[str, Split]] = {
    "train": Split(
        number=1, dials=NORMAL, lengths=_NORMAL_LENGTHS, long_seconds=(1500, 2400, 3600)
    ),
    "validation": Split(
        number=2, dials=NORMAL, lengths=_NORMAL_LENGTHS, long_seconds=(1500, 2400, 3600)
    ),
    "test": Split(number=3, dials=NORMAL, lengths=_NORMAL_LENGTHS, long_seconds=(1500, 2400, 3600)),
    "ood": Split(number=4, dials=HARD, lengths=_HARD_LENGTHS, long_seconds=(3600, 5400, 7200)),
}
"""`ood`: longer, smaller, shorter and busier than anything trained on."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Episode:
    """One video with its questions, each kind once where the video has something to ask for."""

    split: str
    plot: Plot
    questions: tuple[Question, ...]

    @property
    def file_name(self) -> str:
        """The name under which the video is kept: it tells split, seed and length."""
        return f"{self.split}-{self.plot.seed}-{self.plot.duration_seconds}s.mp4"


def episodes(name: str, videos: int) -> Iterator[Episode]:
    """The first videos of a split, the long ones first.

    Raises:
        ValueError: no such split, or more videos than it has seeds.
    """
    if name not in SPLITS:
        raise ValueError(f"there is no split {name!r}, use {', '.join(SPLITS)}")
    if not 0 < videos <= _SPACING:
        raise ValueError(f"a split has 1 to {_SPACING} videos, not {videos}")
    for number in range(videos):
        yield _episode(name, SPLITS[name], number)


def plot_of(file_name: str) -> Plot | None:
    """The plot behind a file of a split, from its name alone; None for other names."""
    found = _FILE.fullmatch(file_name)
    if found is None or found.group(1) not in SPLITS:
        return None
    split, seed, seconds = SPLITS[found.group(1)], int(found.group(2)), int(found.group(3))
    if seed // _SPACING != split.number or not LEAST_SECONDS <= seconds <= MOST_SECONDS:
        return None
    return make_plot(seed, seconds, split.dials)


def _episode(name: str, split: Split, number: int) -> Episode:
    seed = split.number * _SPACING + number
    rng = np.random.default_rng((seed, 9))
    plot = make_plot(seed, _length(split, number, rng), split.dials)
    asked = [ask(plot, kind, rng, choice=bool(rng.random() < 0.5)) for kind in KINDS]
    questions = tuple(question for question in asked if question is not None)
    return Episode(split=name, plot=plot, questions=questions)


def _length(split: Split, number: int, rng: np.random.Generator) -> int:
    if number < len(split.long_seconds):
        return split.long_seconds[number]
    shares = [lengths.share for lengths in split.lengths]
    return drawn(rng, split.lengths[int(rng.choice(len(shares), p=shares))].seconds)
