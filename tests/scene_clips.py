"""Small videos with known scenes: textured worlds that a camera drifts over."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from functools import cache
from pathlib import Path

import av
import numpy as np
import numpy.typing as npt
from PIL import Image

Pixels = npt.NDArray[np.uint8]
WIDTH, HEIGHT = 192, 112
_WORLD = (360, 220)


@dataclass(frozen=True, kw_only=True)
class Shot:
    """Frames of one world; `into` says how the next shot follows, over how many frames.

    "dissolve", "fade", or "black", which is a fade that stays black for two thirds of its time. A
    flash lasts three frames; light goes down by half within 25.
    """

    frames: int
    into: str = "cut"
    over: int = 0
    flash_at: int | None = None
    darkens_at: int | None = None


@dataclass(frozen=True, kw_only=True)
class SceneClip:
    """How a clip is encoded. `ticks` are presentation times, even ones where it is empty."""

    shots: Sequence[Shot]
    suffix: str = "mp4"
    codec: str = "libx264"
    options: Mapping[str, str] = field(default_factory=dict)
    time_base: Fraction = Fraction(1, 25)
    first_tick: int = 0
    ticks: Sequence[int] = ()
    b_frames: int = 3

    @property
    def starts(self) -> list[int]:
        """First frames of the scenes; those after a dissolve or fade begin in its middle."""
        starts, at = [0], 0
        for shot in self.shots[:-1]:
            at += shot.frames + shot.over
            starts.append(at - shot.over // 2)
        return starts


def pictures(shots: Sequence[Shot]) -> Iterator[Pixels]:
    """The frames of shots, one after the other."""
    for place, shot in enumerate(shots):
        begun = shots[place - 1].over if place else 0
        for number in range(begun, begun + shot.frames):
            picture = _view(place, number)
            if shot.flash_at is not None and 0 <= number - begun - shot.flash_at < 3:
                picture = np.clip(picture.astype(np.int16) + 150, 0, 255).astype(np.uint8)
            if shot.darkens_at is not None:
                share = min(1.0, max(0.0, (number - begun - shot.darkens_at) / 25))
                picture = np.asarray(picture * (1 - share / 2)).astype(np.uint8)
            yield picture
        for step in range(shot.over):
            share = (step + 1) / (shot.over + 1)
            old, new = _view(place, begun + shot.frames + step), _view(place + 1, step)
            yield _mixed(shot.into, share, old, new)


def _mixed(into: str, share: float, old: Pixels, new: Pixels) -> Pixels:
    if into == "dissolve":
        return np.asarray(old * (1 - share) + new * share).astype(np.uint8)
    steep = 2 if into == "fade" else 6
    part, level = (old, 1 - steep * share) if share < 0.5 else (new, 1 - steep * (1 - share))
    level = max(0.0, level)
    return np.asarray(part * level).astype(np.uint8)


def _view(place: int, number: int) -> Pixels:
    world, speed = _world(place)
    x = int(20 + number * speed) % (_WORLD[0] - WIDTH)
    return world[40 : 40 + HEIGHT, x : x + WIDTH]


@cache
def _world(place: int) -> tuple[Pixels, float]:
    random = np.random.default_rng(place)
    base = random.uniform(60, 190, 3)
    coarse = random.normal(0, 50, (7, 11, 3)) + base
    fine = random.normal(0, 25, (44, 72, 3))
    world = sum(
        np.stack(
            [
                np.asarray(Image.fromarray(grid[..., c].astype(np.float32)).resize(_WORLD))
                for c in range(3)
            ],
            axis=2,
        )
        for grid in (coarse, fine)
    )
    speed = float(random.uniform(0.1, 0.6))
    return np.asarray(np.clip(world, 0, 255)).astype(np.uint8), speed


def render(folder: Path, name: str, clip: SceneClip) -> Path:
    """Encode a clip."""
    path = folder / f"{name}.{clip.suffix}"
    with av.open(str(path), "w") as container:
        stream = container.add_stream(clip.codec, options=dict(clip.options))
        assert isinstance(stream, av.VideoStream)
        stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        stream.codec_context.time_base = clip.time_base
        stream.codec_context.framerate = 1 / clip.time_base
        stream.codec_context.max_b_frames = clip.b_frames
        for number, picture in enumerate(pictures(clip.shots)):
            frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(picture), format="rgb24")
            frame.pts = clip.ticks[number] if clip.ticks else clip.first_tick + number
            frame.time_base = clip.time_base
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path
