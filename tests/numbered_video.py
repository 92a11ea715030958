"""Small videos whose frames carry their number as a barcode, to check what a decoder returns."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import numpy.typing as npt

Pixels = npt.NDArray[np.uint8]
BITS = 10
WIDTH, HEIGHT = 160, 96


def picture(number: int, size: tuple[int, int] = (WIDTH, HEIGHT)) -> Pixels:
    """Upper half: the number in ten black or white bars. Lower half: a grey that changes."""
    width, height = size
    pixels = np.full((height, width, 3), 40 + number * 37 % 180, np.uint8)
    edges = [round(bit * width / BITS) for bit in range(BITS + 1)]
    for bit in range(BITS):
        pixels[: height // 2, edges[bit] : edges[bit + 1]] = 255 if number >> bit & 1 else 0
    return pixels


def number_of(pixels: Pixels) -> int:
    """The number in a picture of any size, upright."""
    height, width = pixels.shape[:2]
    row = pixels[round(height * 0.25)].mean(axis=1)
    centres = [round((bit + 0.5) * width / BITS) for bit in range(BITS)]
    return sum(1 << bit for bit, x in enumerate(centres) if row[x] > 127)


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """How a clip is made. `ticks` are presentation times in `time_base` units."""

    suffix: str
    size: tuple[int, int] = (WIDTH, HEIGHT)
    codec: str = "libx264"
    pix_fmt: str = "yuv420p"
    ticks: Sequence[int] = tuple(range(60))
    time_base: Fraction = Fraction(1, 25)
    gop: int = 12
    b_frames: int = 2
    options: Mapping[str, str] = field(default_factory=dict)
    container_options: Mapping[str, str] = field(default_factory=dict)
    audio_seconds: int = 0
    rotate_degrees: int = 0
    mirror: bool = False
    stored_turns: int = 0
    sample_aspect_ratio: Fraction = Fraction(1)


@dataclass(frozen=True, kw_only=True)
class Clip:
    """A rendered file; frame k shows the number k from `times_seconds[k]` on."""

    path: Path
    times_seconds: tuple[float, ...]

    def number_at(self, seconds: float) -> int:
        """The number on screen at a time."""
        shown = [k for k, time in enumerate(self.times_seconds) if time <= seconds + 1e-9]
        return shown[-1] if shown else 0


def render(path: Path, recipe: Recipe) -> Clip:
    """Encode a clip."""
    options = {"strict": "experimental", **recipe.container_options}
    with av.open(str(path), "w", options=options) as container:
        stream = container.add_stream(recipe.codec, options=dict(recipe.options))
        assert isinstance(stream, av.VideoStream)
        first = _stored(0, recipe)
        stream.height, stream.width = first.shape[:2]
        stream.pix_fmt = recipe.pix_fmt
        stream.codec_context.time_base = recipe.time_base
        stream.codec_context.framerate = 1 / recipe.time_base
        stream.codec_context.sample_aspect_ratio = recipe.sample_aspect_ratio
        stream.gop_size = recipe.gop
        stream.codec_context.max_b_frames = recipe.b_frames
        if recipe.rotate_degrees or recipe.mirror:
            stream.set_display_rotation(recipe.rotate_degrees, hflip=recipe.mirror)
        sound = container.add_stream("aac", rate=8000) if recipe.audio_seconds else None
        if sound is not None:
            container.start_encoding()
            for start in range(0, recipe.audio_seconds * 8000, 1024):
                silence = av.AudioFrame.from_ndarray(
                    np.zeros((1, 1024), np.float32), format="fltp", layout="mono"
                )
                silence.sample_rate, silence.pts = 8000, start
                container.mux(sound.encode(silence))
            container.mux(sound.encode(None))
        for number, tick in enumerate(recipe.ticks):
            frame = av.VideoFrame.from_ndarray(_stored(number, recipe), format="rgb24")
            frame.pts, frame.time_base = tick, recipe.time_base
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    start = recipe.ticks[0]
    times = tuple(float((tick - start) * recipe.time_base) for tick in recipe.ticks)
    return Clip(path=path, times_seconds=times)


def _stored(number: int, recipe: Recipe) -> Pixels:
    pixels = picture(number, recipe.size)
    if recipe.mirror:
        pixels = pixels[:, ::-1]
    return np.ascontiguousarray(np.rot90(pixels, recipe.stored_turns))
