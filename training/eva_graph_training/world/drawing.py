"""What one moment of a world video looks like: a pure function of its plot and the time.

The sign stands above the middle, the code in small print below it; both keep within fixed parts of
the picture, so that a `zoom` on `SIGN_BOX` or `PRINT_BOX` always shows them whole. A border covers
the rim. Shapes move along the rim, a step a second, and never touch sign or code.
"""

from __future__ import annotations

import colorsys
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from eva_graph_training.world.plot import Card, Plot, Shape

SIDE_PIXELS = 224
BORDER_PIXELS = 20
SIGN_PIXELS = 84
SIGN_CENTRE = (112, 70)
PRINT_PIXELS = (84, 24)
PRINT_CENTRE = (112, 130)
DIGIT_PITCH_PIXELS = 20
SIGN_BOX = (0.25, 0, 0.75, 0.5)
PRINT_BOX = (0.25, 0.5, 0.75, 0.75)
"""Fractions of the picture, in whole patches of 28 pixels."""
FADE_SECONDS = 0.5
BORDER_RGB: dict[str, tuple[int, int, int]] = {
    "red": (215, 35, 35),
    "green": (35, 170, 60),
    "blue": (40, 75, 225),
    "yellow": (240, 215, 40),
    "purple": (165, 45, 190),
}
_LANE_CENTRES = (38, 186, 180, 204)  # two down the sides, two along the bottom
_LANE_PIXELS = 180

Pixels = NDArray[np.uint8]


def draw(plot: Plot, time_seconds: float) -> Pixels:
    """The picture at a time, uint8 of shape (224, 224, 3), RGB."""
    picture = Image.fromarray(_backdrop(plot, time_seconds))
    pen = ImageDraw.Draw(picture)
    for shape in plot.shapes:
        _draw_shape(pen, shape, int(time_seconds))
    card = plot.card_at(time_seconds)
    _draw_plate(pen, plot, _shifted(SIGN_CENTRE, card), (SIGN_PIXELS, SIGN_PIXELS))
    _draw_plate(pen, plot, _shifted(PRINT_CENTRE, card), PRINT_PIXELS)
    _paste(picture, card.letter, card.letter_pixels, _shifted(SIGN_CENTRE, card), plot.ink)
    across, down = _shifted(PRINT_CENTRE, card)
    for place, digit in enumerate(card.code):
        at = across + (place - 1) * DIGIT_PITCH_PIXELS
        _paste(picture, digit, card.code_pixels, (at, down), plot.ink)
    colour = plot.border_at(time_seconds)
    if colour is not None:
        rim = (0, 0, SIDE_PIXELS - 1, SIDE_PIXELS - 1)
        pen.rectangle(rim, outline=BORDER_RGB[colour], width=BORDER_PIXELS)
    return np.array(picture, dtype=np.uint8)


def fading(plot: Plot, time_seconds: float) -> bool:
    """Whether a background is fading in at that time."""
    scene = plot.scene_at(time_seconds)
    return scene.fades and time_seconds - scene.start_seconds < FADE_SECONDS


@lru_cache(maxsize=512)
def glyph(sign: str, height_pixels: int) -> Image.Image:
    """A letter or digit in bold as a grey mask that is exactly `height_pixels` high."""
    font = ImageFont.load_default(size=160)
    canvas = Image.new("L", (320, 320), 0)
    pen = ImageDraw.Draw(canvas)
    pen.text((160, 160), sign, fill=255, font=font, anchor="mm", stroke_width=9)
    tight = canvas.crop(canvas.getbbox())
    width = max(round(tight.width * height_pixels / tight.height), 1)
    return tight.resize((width, height_pixels), Image.Resampling.LANCZOS)


def _backdrop(plot: Plot, time_seconds: float) -> Pixels:
    scene = plot.scene_at(time_seconds)
    picture = _background(scene.background_seed, scene.hue_degrees)
    if not fading(plot, time_seconds):
        return picture.copy()
    last = plot.scene_at(scene.start_seconds - 1)
    before = _background(last.background_seed, last.hue_degrees)
    share = (time_seconds - scene.start_seconds) / FADE_SECONDS
    mixed: Pixels = np.rint(before * (1 - share) + picture * share).astype(np.uint8)
    return mixed


@lru_cache(maxsize=16)
def _background(seed: int, hue_degrees: int) -> Pixels:
    """A hue, a slope of brightness and soft clouds."""
    rng = np.random.default_rng(seed)
    saturation, value = rng.uniform(0.45, 0.65), rng.uniform(0.4, 0.65)
    base = 255 * np.array(colorsys.hsv_to_rgb(hue_degrees / 360, saturation, value))
    ramp = np.linspace(-1.0, 1.0, SIDE_PIXELS)
    slope = rng.uniform(-35, 35, size=2)
    gradient = slope[0] * ramp[:, None] + slope[1] * ramp[None, :]
    clouds = Image.fromarray(rng.normal(0, 22, size=(7, 7)).astype(np.float32))
    soft = np.asarray(clouds.resize((SIDE_PIXELS, SIDE_PIXELS), Image.Resampling.BICUBIC))
    levels = base[None, None, :] + (gradient + soft)[:, :, None]
    picture: Pixels = np.clip(levels, 0, 255).astype(np.uint8)
    return picture


def _draw_shape(pen: ImageDraw.ImageDraw, shape: Shape, second: int) -> None:
    along = 22 + (shape.start_pixels + shape.speed_pixels * second) % _LANE_PIXELS
    across = _LANE_CENTRES[shape.lane]
    x, y = (across, along) if shape.lane < 2 else (along, across)
    half = shape.side_pixels // 2
    corners = (x - half, y - half, x + half, y + half)
    if shape.round:
        pen.ellipse(corners, fill=shape.colour)
    else:
        pen.rectangle(corners, fill=shape.colour)


def _draw_plate(
    pen: ImageDraw.ImageDraw, plot: Plot, centre: tuple[int, int], size: tuple[int, int]
) -> None:
    half = (size[0] // 2, size[1] // 2)
    corners = (centre[0] - half[0], centre[1] - half[1], centre[0] + half[0], centre[1] + half[1])
    pen.rectangle(corners, fill=plot.paper, outline=plot.ink, width=2)


def _shifted(centre: tuple[int, int], card: Card) -> tuple[int, int]:
    return centre[0] + card.shift_pixels[0], centre[1] + card.shift_pixels[1]


def _paste(
    picture: Image.Image,
    sign: str,
    height_pixels: int,
    centre: tuple[int, int],
    ink: tuple[int, int, int],
) -> None:
    mask = glyph(sign, height_pixels)
    picture.paste(ink, (centre[0] - mask.width // 2, centre[1] - mask.height // 2), mask)
