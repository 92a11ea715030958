"""Renders the files of the exactness matrix and says what each shows when.

The truth of a file is what a plain sequential decode by PyAV shows: presentation times and the
numbers in the pictures, as far as they can be read. For files that were encoded whole it is checked
against the recipe: the recipe's number of frames, in order, at the recipe's times to the
container's precision. Where a container keeps no presentation times (AVI) the recipe's times are
the truth.
"""

import io
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from functools import cache
from pathlib import Path

import av
import barcode
import numpy as np
from matrix_changes import CHANGES
from matrix_recipes import DERIVED, ENCODED, FRAMES, Recipe
from shots import Shot

_SOUND_RATE = 32_000
_PRECISION_SECONDS = 0.012  # of the coarsest container, GIF


@dataclass(frozen=True, slots=True, kw_only=True)
class MatrixClip:
    """A file and what it shows.

    Attributes:
        name, path: of the file.
        codec, container: as FFmpeg calls them.
        whole: every frame can be decoded.
        times_seconds: when each frame appears, from the first displayed one.
        numbers: of the frames; None where the picture is damaged.
        start_seconds: the first displayed frame's time on the container's clock.
        container_start_seconds: where the container says that it starts.
        step_seconds: how long the last frame stays.
    """

    name: str
    path: Path
    codec: str
    container: str
    whole: bool
    times_seconds: tuple[float, ...]
    numbers: tuple[int | None, ...]
    start_seconds: float
    container_start_seconds: float
    step_seconds: float

    def place_at(self, seconds: float) -> int:
        """Which frame is on screen at a time from the first displayed frame."""
        return max(0, int(np.searchsorted(self.times_seconds, seconds + 1e-9, "right")) - 1)


def clips(folder: Path, names: frozenset[str]) -> Iterator[MatrixClip]:
    """The files of the matrix with their truth, rendered where they are not there yet."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, recipe in ENCODED.items():
        if not names or name in names:
            yield _truth(name, _encoded(folder, name), recipe)
    for name, derived in DERIVED.items():
        if names and name not in names:
            continue
        path = folder / f"{name}.{derived.suffix}"
        if not path.exists():
            CHANGES[derived.change](_encoded(folder, derived.source), path)
        yield _truth(name, path, ENCODED[derived.source], derived=True, whole=derived.whole)


def _encoded(folder: Path, name: str) -> Path:
    recipe = ENCODED[name]
    path = folder / f"{name}.{recipe.suffix}"
    if not path.exists():
        part = path.with_name(f"part.{recipe.suffix}")
        _encode(part, recipe)
        part.replace(path)
    return path


@cache
def _pictures(size: tuple[int, int]) -> list[barcode.Pixels]:
    """The numbered pictures, RGB."""
    width, height = size[0] // 2 * 2, size[1] // 2 * 2
    shot = Shot(np.random.default_rng(3), width, height)
    pictures = []
    for number in range(FRAMES):
        frame = av.VideoFrame.from_ndarray(shot.planes(number), format="yuv420p")
        scaled = frame.to_ndarray(format="rgb24", width=size[0], height=size[1])
        pixels = np.asarray(scaled, np.uint8)
        rows = barcode.strip_height(size[1])
        pixels[:rows] = barcode.strip(number, size[0])[None, :, None]
        pictures.append(pixels)
    return pictures


def _encode(path: Path, recipe: Recipe) -> None:
    options = {"strict": "experimental", **recipe.container_options}
    target = _Pipe(path) if recipe.piped else str(path)
    form = "matroska" if recipe.piped else None
    with av.open(target, "w", format=form, options=options) as container:
        video = container.add_stream(recipe.codec, options=dict(recipe.options))
        assert isinstance(video, av.VideoStream)
        _configure(video, recipe)
        sound = None
        if recipe.sound_lead_ticks is not None:
            sound = container.add_stream("aac", rate=_SOUND_RATE, layout="mono")
        container.start_encoding()
        if sound is not None:
            start = recipe.ticks[0] - (recipe.sound_lead_ticks or 0)
            spans = float(start * recipe.time_base), float(recipe.ticks[-1] * recipe.time_base)
            for tone in _silence(*spans):
                container.mux(sound.encode(tone))
            container.mux(sound.encode(None))
        for number, tick in enumerate(recipe.ticks):
            pixels = _pictures(recipe.size)[number]
            if recipe.mirror:
                pixels = pixels[:, ::-1]
            stored = np.ascontiguousarray(np.rot90(pixels, recipe.stored_turns))
            frame = av.VideoFrame.from_ndarray(stored, format="rgb24")
            frame.pts, frame.time_base = tick, recipe.time_base
            container.mux(video.encode(frame))
        container.mux(video.encode(None))


def _configure(video: av.VideoStream, recipe: Recipe) -> None:
    width, height = recipe.size
    video.width, video.height = (height, width) if recipe.stored_turns % 2 else (width, height)
    video.pix_fmt = recipe.pix_fmt
    context = video.codec_context
    context.time_base = recipe.time_base
    context.framerate = min(Fraction(1) / recipe.time_base, Fraction(30))
    context.sample_aspect_ratio = recipe.sample_aspect_ratio
    if recipe.gop is not None:
        video.gop_size = recipe.gop
    if recipe.b_frames is not None:
        context.max_b_frames = recipe.b_frames
    for name, value in recipe.colour.items():
        setattr(context, name, value)
    if recipe.rotate_degrees or recipe.mirror:
        video.set_display_rotation(recipe.rotate_degrees, hflip=recipe.mirror)


def _silence(start_seconds: float, end_seconds: float) -> Iterator[av.AudioFrame]:
    first, last = round(start_seconds * _SOUND_RATE), round(end_seconds * _SOUND_RATE)
    for pts in range(first, last, 1024):
        frame = av.AudioFrame.from_ndarray(
            np.zeros((1, 1024), np.float32), format="fltp", layout="mono"
        )
        frame.sample_rate, frame.pts = _SOUND_RATE, pts
        frame.time_base = Fraction(1, _SOUND_RATE)
        yield frame


class _Pipe(io.RawIOBase):
    """A file that can only be written on."""

    def __init__(self, path: Path) -> None:
        self._file = path.open("wb")
        self.name = str(path)

    def writable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return False

    def write(self, data: object) -> int:
        return self._file.write(data)  # type: ignore[arg-type]

    def close(self) -> None:
        self._file.close()
        super().close()


def _truth(
    name: str, path: Path, recipe: Recipe, *, derived: bool = False, whole: bool = True
) -> MatrixClip:
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        shown = list(_shown(container, stream, recipe))
        codec, form = stream.codec_context.name, container.format.name.partition(",")[0]
        container_start = (container.start_time or 0) / av.time_base
    if not whole:
        shown = _agreed(shown, path, recipe)
    first = next(place for place, (_, number) in enumerate(shown) if number is not None)
    times, numbers = (list(column) for column in zip(*shown[first:], strict=True))
    start = min(times)
    relative = [t - start for t in times]
    stated = [_stated_seconds(recipe, number) for number in numbers]
    if not derived:
        assert numbers == list(range(len(recipe.ticks))), (name, numbers)
        off = max(abs(a - b) for a, b in zip(relative, stated, strict=True))
        assert form == "avi" or off <= _PRECISION_SECONDS, (name, off)
    if form == "avi":
        relative = [seconds - stated[0] for seconds in stated]
    return MatrixClip(
        name=name,
        path=path,
        codec=codec,
        container=path.suffix[1:] if form in {"mov", "matroska"} else form,
        whole=whole,
        times_seconds=tuple(relative),
        numbers=tuple(numbers),
        start_seconds=start,
        container_start_seconds=container_start,
        step_seconds=relative[-1] - relative[-2] if len(relative) > 1 else 1 / 30,
    )


def _agreed(
    shown: list[tuple[float, int | None]], path: Path, recipe: Recipe
) -> list[tuple[float, int | None]]:
    """What one thread shows as well: how damaged pictures are patched depends on the threads."""
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        stream.thread_count = 1
        again = dict(_shown(container, stream, recipe))
    return [(t, number if again.get(t) == number else None) for t, number in shown]


def _stated_seconds(recipe: Recipe, number: int | None) -> float:
    return float((recipe.ticks[number or 0] - recipe.ticks[0]) * recipe.time_base)


def _shown(
    container: av.container.InputContainer, stream: av.VideoStream, recipe: Recipe
) -> Iterator[tuple[float, int | None]]:
    base = stream.time_base or Fraction(1)
    for packet in container.demux(stream):
        try:
            frames = packet.decode()
        except av.error.FFmpegError:
            continue
        for frame in frames:
            ticks = frame.pts if frame.pts is not None else frame.dts
            stored = np.asarray(frame.to_ndarray(format="rgb24"), np.uint8)
            upright = np.rot90(stored, -recipe.stored_turns)
            number = barcode.read(upright[:, ::-1] if recipe.mirror else upright)
            yield float((ticks or 0) * base), number
