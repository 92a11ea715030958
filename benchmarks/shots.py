"""Shots of a film that nobody made: textures, moving things, a wandering camera and grain.

What matters is what it costs to decode: sub-pixel motion, edges, residuals in most blocks. Detail
and grain are set so that 720p comes out as real footage does under the same encoder: 1.2 Mbit/s,
about 1.6 ms a packet and 7 ms a key frame on one core.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from barcode import Pixels
from PIL import Image, ImageDraw

_MARGIN = 1.35  # the world is that much larger than the picture
_THINGS = 5
_GRAIN = 2.2  # standard deviation in luma steps
# Cells across the picture and their weights. Colour is smoother than brightness, as in real scenes.
_DETAILED = ((4, 0.5), (16, 0.32), (64, 0.14), (200, 0.04))
_SMOOTH = ((3, 0.6), (9, 0.4))


@dataclass(frozen=True, slots=True)
class _Thing:
    picture: Image.Image
    mask: Image.Image
    centre: tuple[float, float]
    swing: tuple[float, float]
    steps_per_turn: float


class Shot:
    """One camera take; `planes(step)` is its picture `step` frames after the cut."""

    def __init__(self, random: np.random.Generator, width: int, height: int) -> None:
        self._random = random
        self._size = width, height
        world = round(width * _MARGIN) // 2 * 2, round(height * _MARGIN) // 2 * 2
        self._luma = _world(random, world, bright=(20, 235))
        half = world[0] // 2, world[1] // 2
        self._chroma = [
            _world(random, half, bright=(96, 160), shapes=14, octaves=_SMOOTH) for _ in range(2)
        ]
        self._things = [self._thing() for _ in range(_THINGS)]
        self._angle, self._speed = random.uniform(0, 6.28), random.uniform(0.01, 0.03)
        self._zoom = random.uniform(-0.0006, 0.0006)
        self._grain = (random.standard_normal((height + 64, width + 64)) * _GRAIN).astype(np.int16)

    def planes(self, step: int) -> Pixels:
        """The picture as yuv420p planes, (height * 3 / 2) x width."""
        width, height = self._size
        box = self._camera(step)
        luma = self._luma.resize(self._size, Image.Resampling.BILINEAR, box=box)
        for thing in self._things:
            turn = 2 * np.pi * step / thing.steps_per_turn
            x = round(thing.centre[0] + thing.swing[0] * np.sin(turn))
            y = round(thing.centre[1] + thing.swing[1] * np.cos(turn))
            luma.paste(thing.picture, (x, y), thing.mask)
        row, column = self._random.integers(0, 64, 2)
        grainy = np.asarray(luma) + self._grain[row : row + height, column : column + width]
        planes = np.empty((height * 3 // 2, width), np.uint8)
        np.clip(grainy, 0, 255, out=planes[:height], casting="unsafe")
        halved = (box[0] / 2, box[1] / 2, box[2] / 2, box[3] / 2)
        chroma = planes[height:].reshape(2, height // 2, width // 2)
        for plane, source in zip(chroma, self._chroma, strict=True):
            size = width // 2, height // 2
            plane[:] = np.asarray(source.resize(size, Image.Resampling.BILINEAR, box=halved))
        return planes

    def _camera(self, step: int) -> tuple[float, float, float, float]:
        width, height = self._size
        spare = (_MARGIN - 1) * 0.8
        scale = float(np.clip(1 + self._zoom * step, 0.85, 1.15))
        turn = self._angle + self._speed * step
        x = width * spare / 2 * (1 + np.sin(turn))
        y = height * spare / 2 * (1 + np.cos(0.7 * turn))
        right = min(x + width * scale, self._luma.width)
        bottom = min(y + height * scale, self._luma.height)
        return float(x), float(y), float(right), float(bottom)

    def _thing(self) -> _Thing:
        random, (width, height) = self._random, self._size
        side = round(random.uniform(0.1, 0.3) * height)
        picture = _world(random, (side, side), bright=(10, 245), shapes=6)
        mask = Image.new("L", (side, side))
        ImageDraw.Draw(mask).ellipse((0, 0, side - 1, side - 1), fill=255)
        return _Thing(
            picture,
            mask,
            (random.uniform(0, width - side), random.uniform(0.15, 0.9) * height),
            (random.uniform(0.05, 0.4) * width, random.uniform(0.02, 0.2) * height),
            random.uniform(60, 400),
        )


def _world(
    random: np.random.Generator,
    size: tuple[int, int],
    *,
    bright: tuple[int, int],
    shapes: int = 60,
    octaves: Sequence[tuple[int, float]] = _DETAILED,
) -> Image.Image:
    """Cloudy noise in several octaves with polygons and lines over it."""
    low, high = bright
    field = np.zeros(size[::-1], np.float32)
    for cells, weight in octaves:
        noise = Image.fromarray(random.random((cells, cells), np.float32))
        field += weight * np.asarray(noise.resize(size, Image.Resampling.BICUBIC))
    field = np.clip((field - 0.25) * 2, 0, 1)
    image = Image.fromarray((low + (high - low) * field).astype(np.uint8))
    pen = ImageDraw.Draw(image)
    for _ in range(shapes):
        x, y = random.uniform(0, size[0]), random.uniform(0, size[1])
        reach = random.uniform(0.01, 0.12) * size[0]
        corners = [
            (x + reach * random.uniform(-1, 1), y + reach * random.uniform(-1, 1)) for _ in range(4)
        ]
        shade = int(random.integers(low, high))
        if random.random() < 0.5:
            pen.polygon(corners, fill=shade)
        else:
            pen.line(corners, fill=shade, width=int(random.integers(1, 5)))
    return image
