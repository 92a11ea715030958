"""Single pictures of the world as a policy sees them, with labels and ready patches.

The rehearsal renders in memory what a look delivers from a file: the picture scaled down, a little
coding noise, JPEG at quality 90 with 4:2:0 chroma.
"""

from __future__ import annotations

import io
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

from eva_graph_training.world.scene import (
    BORDER_COLOURS,
    LARGE_GLYPH_PIXELS,
    LETTERS,
    SIDE_PIXELS,
    SMALL_GLYPH_PIXELS,
    Moment,
    draw,
    random_style,
)

PATCH_PIXELS = 14
MERGE = 2
MEAN = (0.48145466, 0.4578275, 0.40821073)
STD = (0.26862954, 0.26130258, 0.27577711)
BORDERS: tuple[str | None, ...] = (None, *BORDER_COLOURS)


@dataclass(frozen=True, slots=True, kw_only=True)
class Pictures:
    """Equally sized pictures, uint8 (n, side, side, 3), and class numbers, int64 (n,) each."""

    pixels: torch.Tensor
    letter: torch.Tensor
    small: torch.Tensor
    border: torch.Tensor


def random_moment(rng: np.random.Generator, *, small_share: float, border_share: float) -> Moment:
    """A moment with every letter equally likely."""
    low, high = SMALL_GLYPH_PIXELS if rng.random() < small_share else LARGE_GLYPH_PIXELS
    border = None
    if rng.random() < border_share:
        border = BORDERS[int(rng.integers(1, len(BORDERS)))]
    return Moment(
        letter=LETTERS[int(rng.integers(len(LETTERS)))],
        glyph_pixels=int(rng.integers(low, high + 1)),
        offset_pixels=(int(rng.integers(-6, 7)), int(rng.integers(-6, 7))),
        border=border,
    )


def as_seen(
    picture: NDArray[np.uint8], side_pixels: int, rng: np.random.Generator
) -> NDArray[np.uint8]:
    """The picture as a look of that size delivers it: scaled, coded, stored as JPEG."""
    image = Image.fromarray(picture)
    if side_pixels != SIDE_PIXELS:
        image = image.resize((side_pixels, side_pixels), Image.Resampling.BICUBIC)
    noise = rng.normal(0.0, rng.uniform(0.5, 3.0), size=(side_pixels, side_pixels, 1))
    noisy = np.clip(np.asarray(image) + noise, 0, 255).astype(np.uint8)
    stored = io.BytesIO()
    Image.fromarray(noisy).save(stored, "JPEG", quality=90, subsampling="4:2:0")
    return np.asarray(Image.open(stored).convert("RGB"))


def random_pictures(
    count: int, side_pixels: int, *, seed: int, small_share: float, border_share: float
) -> Pictures:
    """`count` independent pictures, each with its own style."""
    rng = np.random.default_rng(seed)
    pixels = np.empty((count, side_pixels, side_pixels, 3), dtype=np.uint8)
    classes = np.empty((count, 3), dtype=np.int64)
    for row in range(count):
        moment = random_moment(rng, small_share=small_share, border_share=border_share)
        pixels[row] = as_seen(draw(random_style(rng), moment), side_pixels, rng)
        classes[row] = (
            LETTERS.index(moment.letter),
            int(moment.small),
            BORDERS.index(moment.border),
        )
    letter, small, border = torch.from_numpy(classes).unbind(1)
    return Pictures(pixels=torch.from_numpy(pixels), letter=letter, small=small, border=border)


def kept_pictures(
    path: Path, count: int, side_pixels: int, *, seed: int, small_share: float
) -> Pictures:
    """`random_pictures`, four in ten with a border, rendered once and then read from `path`."""
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        made = random_pictures(
            count, side_pixels, seed=seed, small_share=small_share, border_share=0.4
        )
        torch.save([made.pixels, made.letter, made.small, made.border], path)
    pixels, letter, small, border = torch.load(path)
    return Pictures(pixels=pixels, letter=letter, small=small, border=border)


def patches(pixels: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Qwen2-VL's patches of uint8 pictures (n, side, side, 3): (n * p * p, 1176), and grid (n, 3).

    The picture is doubled in time, as the image processor does; patches come in 2x2 merge blocks.
    """
    count, side = pixels.shape[0], pixels.shape[1] // PATCH_PIXELS
    scaled = (pixels.float() / 255 - torch.tensor(MEAN)) / torch.tensor(STD)
    blocks = scaled.reshape(
        count, side // MERGE, MERGE, PATCH_PIXELS, side // MERGE, MERGE, PATCH_PIXELS, 3
    )
    ordered = blocks.permute(0, 1, 4, 2, 5, 7, 3, 6)
    single = ordered.reshape(count * side * side, 3, 1, PATCH_PIXELS * PATCH_PIXELS)
    rows = single.expand(-1, -1, 2, -1).reshape(count * side * side, -1)
    grid = torch.tensor([[1, side, side]]).repeat(count, 1)
    return rows, grid
