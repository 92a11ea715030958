"""The five ways in which a look shows a picture of the world, and pictures of each, with labels.

The pictures are rendered in memory as a look delivers them from a file: cut out, scaled, with a
little coding noise, stored as JPEG at quality 90 with 4:2:0 chroma.
"""

from __future__ import annotations

import io
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

from eva_graph_training.world.dials import NORMAL
from eva_graph_training.world.drawing import PRINT_BOX, SIDE_PIXELS, SIGN_BOX, draw
from eva_graph_training.world.plot import CODE_DIGITS, COLOURS, LETTERS, Plot
from eva_graph_training.world.plotting import make_plot

ViewName = Literal["overview", "reading", "close", "sign", "print"]
BORDERS: Final[tuple[str | None, ...]] = (None, *COLOURS)
CODE_VIEWS: Final[tuple[ViewName, ...]] = ("close", "print")
"""Where the small print can be read."""
MOMENTS_PER_PLOT: Final = 4
PLOT_SECONDS: Final = 60
BORDER_SHARE: Final = 0.45
SMALL_SHARE: Final = 0.45
_FIRST_SEED: Final = 900_000_000
"""Beyond the seeds of every split: no picture of a test video is trained on."""

Box = tuple[float, float, float, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """A part of the picture, None for all of it, at a size in pixels."""

    box: Box | None
    width: int
    height: int


VIEWS: Final[dict[ViewName, View]] = {
    "overview": View(box=None, width=56, height=56),
    "reading": View(box=None, width=112, height=112),
    "close": View(box=None, width=224, height=224),
    "sign": View(box=SIGN_BOX, width=112, height=112),
    "print": View(box=PRINT_BOX, width=112, height=56),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Pictures:
    """One view of n moments, and what can be seen in them.

    Attributes:
        pixels: uint8 (n, height, width, 3).
        letter, small, border: class numbers, int64 (n,).
        code: digits, int64 (n, 3).
    """

    pixels: torch.Tensor
    letter: torch.Tensor
    small: torch.Tensor
    border: torch.Tensor
    code: torch.Tensor


def view_of(width_pixels: int, box: Box | None) -> ViewName:
    """The view that a frame of that size and part is.

    Raises:
        KeyError: none of them.
    """
    for name, view in VIEWS.items():
        if (view.width, view.box) == (width_pixels, box):
            return name
    raise KeyError((width_pixels, box))


def rendered(name: ViewName, count: int, *, seed: int) -> Pictures:
    """`count` moments of random plots in one view; equal seeds show equal moments."""
    rng = np.random.default_rng((seed, *name.encode()))
    view = VIEWS[name]
    pixels = np.empty((count, view.height, view.width, 3), dtype=np.uint8)
    classes = np.empty((count, 3 + CODE_DIGITS), dtype=np.int64)
    row = 0
    while row < count:
        plot = make_plot(_FIRST_SEED + int(rng.integers(2**40)), PLOT_SECONDS, NORMAL)
        for time in _times(plot, rng)[: count - row]:
            pixels[row] = as_seen(draw(plot, time), view, rng)
            classes[row] = _classes(plot, time)
            row += 1
    numbers = torch.from_numpy(classes)
    return Pictures(
        pixels=torch.from_numpy(pixels),
        letter=numbers[:, 0],
        small=numbers[:, 1],
        border=numbers[:, 2],
        code=numbers[:, 3:],
    )


def kept(path: Path, name: ViewName, count: int, *, seed: int) -> Pictures:
    """`rendered`, done once and then read from `path`."""
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        made = rendered(name, count, seed=seed)
        fresh = path.with_suffix(".new")
        torch.save([made.pixels, made.letter, made.small, made.border, made.code], fresh)
        fresh.replace(path)
    pixels, letter, small, border, code = torch.load(path)
    return Pictures(pixels=pixels, letter=letter, small=small, border=border, code=code)


def as_seen(picture: NDArray[np.uint8], view: View, rng: np.random.Generator) -> NDArray[np.uint8]:
    """The picture as a look in that view delivers it, uint8 (height, width, 3)."""
    image = Image.fromarray(picture)
    if view.box is not None:
        left, top, right, bottom = (round(edge * SIDE_PIXELS) for edge in view.box)
        image = image.crop((left, top, right, bottom))
    if image.size != (view.width, view.height):
        image = image.resize((view.width, view.height), Image.Resampling.BICUBIC)
    noise = rng.normal(0.0, rng.uniform(0.5, 3.0), size=(view.height, view.width, 1))
    noisy = np.clip(np.asarray(image) + noise, 0, 255).astype(np.uint8)
    stored = io.BytesIO()
    Image.fromarray(noisy).save(stored, "JPEG", quality=90, subsampling="4:2:0")
    return np.asarray(Image.open(stored).convert("RGB"))


def _times(plot: Plot, rng: np.random.Generator) -> list[float]:
    """Moments of a plot; borders and small letters more often than they are shown."""
    seconds = [int(second) for second in rng.permutation(PLOT_SECONDS)]
    wanted: list[float] = []
    for _ in range(MOMENTS_PER_PLOT):
        border, small = rng.random() < BORDER_SHARE, rng.random() < SMALL_SHARE
        found = (
            second
            for second in seconds
            if (plot.border_at(second) is not None) == border
            and plot.card_at(second).small == small
        )
        chosen = next(found, seconds[0])
        seconds.remove(chosen)
        wanted.append(float(chosen))
    return wanted


def _classes(plot: Plot, time: float) -> list[int]:
    card = plot.card_at(time)
    letter, border = LETTERS.index(card.letter), BORDERS.index(plot.border_at(time))
    return [letter, int(card.small), border, *(int(digit) for digit in card.code)]
