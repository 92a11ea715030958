"""Footage with known scene boundaries, rendered from a seed.

Every shot looks into a textured world of its own (or into another corner of the last shot's) with a
camera that pans, zooms and shakes, past moving objects, under sensor noise and flickering light.
Shots meet in hard cuts, dissolves and fades through black; flashes and whip-pans lie inside shots,
where nothing should be found. Seeds 101 to 199 are for tuning thresholds, seeds from 1001 on for
scoring.
"""

import itertools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

import av
import cv2
import numpy as np
import numpy.typing as npt

Pixels = npt.NDArray[np.uint8]
WIDTH, HEIGHT, FPS = 640, 360, 30
WORLD_WIDTH, WORLD_HEIGHT = 2000, 1200
SCENE_CUT_ENCODE = {"g": "250"}
FIXED_GOP_ENCODE = {"g": "60", "sc_threshold": "0"}
_LENGTHS: dict[str, Callable[[Random], int]] = {
    "cut": lambda random: 0,
    "dissolve": lambda random: random.randint(15, 45),
    "fade": lambda random: random.randint(18, 48),
    "end": lambda random: 0,
}
_NOISE_UNIT = 32.0
_X264 = {"preset": "veryfast", "crf": "23", "bf": "3"}


@dataclass(frozen=True, kw_only=True)
class Boundary:
    """`kind` is cut, dissolve or fade; the new scene begins within frames [first, last]."""

    kind: str
    first: int
    last: int


@dataclass(frozen=True, kw_only=True)
class Truth:
    """What a rendering holds. `distractors` are first frames of flashes and whip-pans."""

    frames: int
    boundaries: tuple[Boundary, ...]
    distractors: tuple[int, ...]


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """How many of what; shots last `shortest` to `longest` frames."""

    seed: int
    cuts: int = 70
    dissolves: int = 15
    fades: int = 15
    flashes: int = 12
    whip_pans: int = 8
    shortest: int = 30
    longest: int = 110


@dataclass(kw_only=True)
class _Object:
    texture: Pixels
    at: tuple[float, float]
    velocity: tuple[float, float]


@dataclass(kw_only=True)
class _Shot:
    world: Pixels
    frames: int
    at: tuple[float, float]
    velocity: tuple[float, float]
    zoom: float
    zoom_rate: float
    shake: float
    gain: float
    flicker: float
    noise: float
    objects: list[_Object] = field(default_factory=list)
    flash_at: int | None = None
    whip_at: int | None = None


def world(random: Random, width: int = WORLD_WIDTH, height: int = WORLD_HEIGHT) -> Pixels:
    """A texture of clouds, shapes and words in the colours of one place."""
    state = np.random.default_rng(random.randrange(2**32))
    base = state.uniform(40, 200, 3)
    picture = np.zeros((height, width, 3), np.float32) + base
    for cells, depth in ((4, 45), (16, 25), (90, 18), (300, 16), (1000, 12)):
        grid = state.normal(0, depth, (cells * 3 // 5 + 1, cells, 3)).astype(np.float32)
        picture += cv2.resize(grid, (width, height), interpolation=cv2.INTER_CUBIC)
    canvas = np.clip(picture, 0, 255).astype(np.uint8)
    for _ in range(random.randint(40, 160)):
        colour = tuple(float(min(255, max(0, c + random.gauss(0, 60)))) for c in base)
        x, y = random.randrange(width), random.randrange(height)
        size = random.randint(15, 180)
        match random.randrange(4):
            case 0:
                corner = (x + size, y + random.randint(15, 180))
                cv2.rectangle(canvas, (x, y), corner, colour, -1)
            case 1:
                cv2.circle(canvas, (x, y), size // 2, colour, -1)
            case 2:
                end = (x + random.randint(-300, 300), y + random.randint(-300, 300))
                cv2.line(canvas, (x, y), end, colour, random.randint(2, 14))
            case _:
                word = "".join(random.choices("ABCDEFGHKLMNRSTUX", k=5))
                cv2.putText(canvas, word, (x, y), 0, size / 40, colour, 3)
    return canvas


def _shot(random: Random, recipe: Recipe, last: _Shot | None) -> _Shot:
    same_place = last is not None and random.random() < 0.2
    zoom = random.uniform(0.8, 2.2)
    moving = random.random() < 0.6
    shot = _Shot(
        world=last.world if same_place and last is not None else world(random),
        frames=random.randint(recipe.shortest, recipe.longest),
        at=(random.uniform(500, WORLD_WIDTH - 500), random.uniform(350, WORLD_HEIGHT - 350)),
        velocity=(random.gauss(0, 2.0), random.gauss(0, 0.7)) if moving else (0.0, 0.0),
        zoom=zoom,
        zoom_rate=random.choice((1.0, 1.0, 1.0, 1.004, 0.996)),
        shake=random.choice((0.0, 0.2, 0.6)),
        gain=random.choice((0.45, 0.7, 1.0, 1.0, 1.15)),
        flicker=random.choice((0.0, 0.0, 0.01)),
        noise=random.choice((0.5, 1.0, 2.0)),
    )
    for _ in range(random.choice((0, 1, 1, 2, 4))):
        width, height = random.randint(40, 260), random.randint(40, 300)
        shot.objects.append(
            _Object(
                texture=world(random, width, height),
                at=(random.uniform(-50, WIDTH), random.uniform(0, HEIGHT - 40)),
                velocity=(random.gauss(0, 3.0), random.gauss(0, 1.0)),
            )
        )
    return shot


class _Camera:
    """Renders frames of shots. Keeps the noise, which is the sensor's and not the shot's."""

    def __init__(self, random: Random) -> None:
        self._random = random
        state = np.random.default_rng(random.randrange(2**32))
        noise = 128 + _NOISE_UNIT * state.normal(0, 1, (12, HEIGHT, WIDTH, 3))
        self._noise = np.clip(noise, 0, 255).astype(np.uint8)

    def picture(self, shot: _Shot, number: int) -> Pixels:
        random = self._random
        x = shot.at[0] + shot.velocity[0] * number + random.gauss(0, shot.shake)
        y = shot.at[1] + shot.velocity[1] * number + random.gauss(0, shot.shake)
        blur = 0
        if shot.whip_at is not None and number >= shot.whip_at:
            # Eight frames over 500 pixels, and back: the shot goes on where it was.
            step = number - shot.whip_at
            x += 500.0 * (step / 8 if step < 8 else max(0.0, 2 - step / 8))
            blur = 45 if step < 16 else 0
        zoom = shot.zoom * shot.zoom_rate**number
        matrix = np.array(
            [[zoom, 0, WIDTH / 2 - zoom * x], [0, zoom, HEIGHT / 2 - zoom * y]], np.float32
        )
        mode = cv2.BORDER_REFLECT_101
        picture = cv2.warpAffine(shot.world, matrix, (WIDTH, HEIGHT), borderMode=mode)
        for thing in shot.objects:
            _paste(picture, thing, number)
        if blur:
            picture = cv2.blur(picture, (blur, 1))
        return self._exposed(picture, shot, number)

    def _exposed(self, picture: npt.NDArray[np.uint8], shot: _Shot, number: int) -> Pixels:
        gain = shot.gain * (1 + self._random.gauss(0, shot.flicker))
        noise = self._noise[self._random.randrange(len(self._noise))]
        level = 0.0
        if shot.flash_at is not None and 0 <= number - shot.flash_at < 3:
            level = (160.0, 90.0, 40.0)[number - shot.flash_at]
        share = shot.noise / _NOISE_UNIT
        return np.asarray(
            cv2.addWeighted(picture, gain, noise, share, level - 128 * share), np.uint8
        )


def _paste(picture: npt.NDArray[np.uint8], thing: _Object, number: int) -> None:
    left = round(thing.at[0] + thing.velocity[0] * number)
    top = round(thing.at[1] + thing.velocity[1] * number)
    height, width = thing.texture.shape[:2]
    x0, x1 = max(0, left), min(WIDTH, left + width)
    y0, y1 = max(0, top), min(HEIGHT, top + height)
    if x0 < x1 and y0 < y1:
        picture[y0:y1, x0:x1] = thing.texture[y0 - top : y1 - top, x0 - left : x1 - left]


def _shots(random: Random, recipe: Recipe) -> Iterator[_Shot]:
    """Shots without end; the flashes and whip-pans of the recipe lie in the first ones."""
    count = recipe.cuts + recipe.dissolves + recipe.fades
    chosen = random.sample(range(1, count), recipe.flashes + recipe.whip_pans)
    shot: _Shot | None = None
    for number in itertools.count():
        shot = _shot(random, recipe, shot)
        if number in chosen:
            shot.frames = max(shot.frames, 90)
            at = random.randint(50, shot.frames - 40)
            if chosen.index(number) < recipe.flashes:
                shot.flash_at = at
            else:
                shot.whip_at = at
        yield shot


def _mixed(kind: str, share: float, old: Pixels, new: Pixels) -> Pixels:
    if kind == "dissolve":
        return np.asarray(cv2.addWeighted(old, 1 - share, new, share, 0), np.uint8)
    part, level = (old, 1 - 2 * share) if share < 0.5 else (new, 2 * share - 1)
    return np.asarray(cv2.convertScaleAbs(part, alpha=level), np.uint8)


def pictures(
    recipe: Recipe, boundaries: list[Boundary], distractors: list[int]
) -> Iterator[Pixels]:
    """Frames in order; fills the lists on the way."""
    random = Random(recipe.seed)
    kinds = ["cut"] * recipe.cuts + ["dissolve"] * recipe.dissolves + ["fade"] * recipe.fades
    random.shuffle(kinds)
    shots = _shots(Random(random.randrange(2**32)), recipe)
    camera = _Camera(random)
    at, begun, shot = 0, 0, next(shots)
    for kind in [*kinds, "end"]:
        until = begun + shot.frames
        for number in range(begun, until):
            if number in (shot.flash_at, shot.whip_at):
                distractors.append(at)
            yield camera.picture(shot, number)
            at += 1
        following = next(shots)
        begun = _LENGTHS[kind](random)
        for step in range(begun):
            old = camera.picture(shot, until + step)
            new = camera.picture(following, step)
            yield _mixed(kind, (step + 1) / (begun + 1), old, new)
        if kind != "end":
            boundaries.append(Boundary(kind=kind, first=at, last=at + begun))
        at += begun
        shot = following


def encode(pictures: Iterator[Pixels], targets: Sequence[tuple[Path, dict[str, str]]]) -> int:
    """Encode frames as H.264 into every target at once; returns how many frames there were."""
    written = 0
    outputs = []
    for path, options in targets:
        container = av.open(str(path), "w")
        stream = container.add_stream("libx264", rate=FPS, options={**_X264, **options})
        assert isinstance(stream, av.VideoStream)
        stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        stream.thread_count = 1
        outputs.append((container, stream))
    for picture in pictures:
        frame = av.VideoFrame.from_ndarray(picture, format="rgb24").reformat(format="yuv420p")
        for container, stream in outputs:
            frame.pts = written
            container.mux(stream.encode(frame))
        written += 1
    for container, stream in outputs:
        container.mux(stream.encode(None))
        container.close()
    return written


def render(recipe: Recipe, scene_cut: Path, fixed_gop: Path) -> Truth:
    """Render the footage of a recipe in two encodes: with scene cuts, and with a fixed GOP."""
    boundaries: list[Boundary] = []
    distractors: list[int] = []
    frames = encode(
        pictures(recipe, boundaries, distractors),
        [(scene_cut, SCENE_CUT_ENCODE), (fixed_gop, FIXED_GOP_ENCODE)],
    )
    return Truth(frames=frames, boundaries=tuple(boundaries), distractors=tuple(distractors))
