"""What one moment of a world video looks like: a quiet background, a sign with a letter, a border.

Drawing is a pure function of a `Style` and a `Moment`: equal values give equal pixels.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

SIDE_PIXELS = 224
SIGN_PIXELS = 92
BORDER_PIXELS = 20
LETTERS = "ACEHKLOSTVXZ"
LARGE_GLYPH_PIXELS = (56, 64)
SMALL_GLYPH_PIXELS = (28, 32)
BORDER_COLOURS: dict[str, tuple[int, int, int]] = {
    "red": (215, 35, 35),
    "green": (35, 170, 60),
    "blue": (40, 75, 225),
    "yellow": (240, 215, 40),
    "purple": (165, 45, 190),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Style:
    """The look of a whole video: the seed of its background and its paper and ink."""

    background_seed: int
    paper: tuple[int, int, int]
    ink: tuple[int, int, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Moment:
    """What is visible at one time: a letter, its height, the shift of the sign, a border."""

    letter: str
    glyph_pixels: int
    offset_pixels: tuple[int, int]
    border: str | None

    @property
    def small(self) -> bool:
        """Whether the letter can be read at full size only."""
        return self.glyph_pixels < LARGE_GLYPH_PIXELS[0]


def random_style(rng: np.random.Generator) -> Style:
    """A style with light paper and dark ink."""
    light = int(rng.integers(215, 256))
    dark = int(rng.integers(0, 50))
    return Style(
        background_seed=int(rng.integers(2**31)),
        paper=(light, light, int(rng.integers(200, 256))),
        ink=(dark, dark, int(rng.integers(0, 60))),
    )


def draw(style: Style, moment: Moment) -> NDArray[np.uint8]:
    """The picture of a moment, uint8 of shape (224, 224, 3), RGB."""
    picture = Image.fromarray(_background(style.background_seed).copy())
    pen = ImageDraw.Draw(picture)
    middle = SIDE_PIXELS // 2
    centre = (middle + moment.offset_pixels[0], middle + moment.offset_pixels[1])
    half = SIGN_PIXELS // 2
    corners = (centre[0] - half, centre[1] - half, centre[0] + half, centre[1] + half)
    pen.rectangle(corners, fill=style.paper, outline=style.ink, width=2)
    _draw_letter(picture, moment, centre, style.ink)
    if moment.border is not None:
        frame = (0, 0, SIDE_PIXELS - 1, SIDE_PIXELS - 1)
        pen.rectangle(frame, outline=BORDER_COLOURS[moment.border], width=BORDER_PIXELS)
    return np.array(picture, dtype=np.uint8)


@lru_cache(maxsize=64)
def _background(seed: int) -> NDArray[np.uint8]:
    rng = np.random.default_rng(seed)
    base = rng.uniform(70, 170) + rng.uniform(-18, 18, size=3)
    ramp = np.linspace(-1.0, 1.0, SIDE_PIXELS)
    slope = rng.uniform(-20, 20, size=2)
    gradient = slope[0] * ramp[:, None] + slope[1] * ramp[None, :]
    clouds = Image.fromarray(rng.normal(0, 7, size=(8, 8)).astype(np.float32))
    soft = np.asarray(clouds.resize((SIDE_PIXELS, SIDE_PIXELS), Image.Resampling.BICUBIC))
    levels = base[None, None, :] + (gradient + soft)[:, :, None]
    picture: NDArray[np.uint8] = np.clip(levels, 0, 255).astype(np.uint8)
    return picture


def _draw_letter(
    picture: Image.Image, moment: Moment, centre: tuple[int, int], ink: tuple[int, int, int]
) -> None:
    mask = _letter_mask(moment.letter, moment.glyph_pixels)
    corner = (centre[0] - mask.width // 2, centre[1] - mask.height // 2)
    picture.paste(ink, corner, mask)


@lru_cache(maxsize=256)
def _letter_mask(letter: str, height_pixels: int) -> Image.Image:
    """The letter in bold as a grey mask that is exactly `height_pixels` high."""
    font = ImageFont.load_default(size=160)
    canvas = Image.new("L", (320, 320), 0)
    ImageDraw.Draw(canvas).text(
        (160, 160), letter, fill=255, font=font, anchor="mm", stroke_width=9
    )
    tight = canvas.crop(canvas.getbbox())
    width = max(round(tight.width * height_pixels / tight.height), 1)
    return tight.resize((width, height_pixels), Image.Resampling.LANCZOS)
