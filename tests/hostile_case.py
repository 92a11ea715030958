"""A broken, odd or hostile file: how it is made and what must come of it."""

import secrets
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from random import Random

from canary import Canary
from clip_recipes import RECIPES
from numbered_video import Recipe, render

from eva_graph_tools import CannotCopy, DecodeError, ToolError, UnsupportedMedia, Video


@dataclass(frozen=True, kw_only=True)
class Expected:
    """Either of `errors`, or a video that has so many frames, of which some can be seen."""

    errors: tuple[type[ToolError], ...] = ()
    frames: range = range(0)

    def holds(self, seen: "Seen") -> bool:
        if seen.error is not None:
            return isinstance(seen.error, self.errors)
        return seen.frames in self.frames

    def __str__(self) -> str:
        parts = [error.__name__ for error in self.errors]
        if self.frames:
            first, last = self.frames[0], self.frames[-1]
            parts.append(f"{first} frames" if first == last else f"{first} to {last} frames")
        return " or ".join(parts)


REFUSED = Expected(errors=(UnsupportedMedia,))
_SCENES_SECONDS = 100.0  # of a hundred thousand frames it takes half a minute
BROKEN = Expected(errors=(DecodeError,))


def shows(least: int, most: int | None = None, *errors: type[ToolError]) -> Expected:
    return Expected(frames=range(least, (most or least) + 1), errors=errors)


@dataclass(frozen=True, kw_only=True)
class Seen:
    """What came of a file: frames counted and looked at, or an error."""

    frames: int = 0
    looks: tuple[str, ...] = ()
    error: ToolError | None = None

    def __str__(self) -> str:
        if self.error is not None:
            return type(self.error).__name__
        return f"{self.frames} frames" + "".join(f", {look}" for look in self.looks)


class Workshop:
    """The folder where the files are made, and what they are made of."""

    def __init__(self, folder: Path, canary: Canary) -> None:
        self.folder = folder
        self.canary = canary
        self._clips: dict[str, bytes] = {}

    def clip(self, recipe: str | Recipe) -> bytes:
        """Bytes of a clip of `clip_recipes`, or of one that is made for the occasion."""
        made = RECIPES[recipe] if isinstance(recipe, str) else recipe
        key = repr(made)
        if key not in self._clips:
            path = self.folder / f"base.{made.suffix}"
            self._clips[key] = render(path, made).path.read_bytes()
            path.unlink()
        return self._clips[key]

    @cached_property
    def random(self) -> Random:
        return Random(1)


@dataclass(frozen=True, kw_only=True)
class Case:
    """One file.

    `make` returns its bytes, or the path of something that it put into the folder itself. `alone`
    files are looked at in a worker process only: they may bring down the process that reads them.
    """

    name: str
    make: Callable[[Workshop], bytes | Path]
    expected: Expected
    alone: bool = False

    def made(self, workshop: Workshop) -> Path:
        content = self.make(workshop)
        if isinstance(content, Path):
            return content
        path = workshop.folder / self.name
        path.write_bytes(content)
        return path


def look_at(open_video: Callable[[Path], Video], path: Path, canary: Canary) -> Seen:
    """Open a video, spread looks over it, go to both ends, zoom, cut: what an agent would do."""
    try:
        video = open_video(path)
    except ToolError as error:
        return Seen(error=error)
    with video:
        end, failed = video.info.duration_seconds, []
        looks: Mapping[str, Callable[[], Sequence[object]]] = {
            "overview": lambda: canary.unseen(
                video.frame_select(0, end, nframes=8, size=(32, 24), mode="auto")
            ),
            "ends": lambda: canary.unseen(video.frames_at([0, end], size=(32, 24))),
            "zoom": lambda: canary.unseen(
                video.frames_at([end / 2], size=(32, 24), box=(0.25, 0.25, 0.75, 0.75))
            ),
            "cut": lambda: _cut(video, path.parent),
            "scenes": lambda: video.scenes(0, min(end, _SCENES_SECONDS)),
        }
        for name, look in looks.items():
            try:
                look()
            except (DecodeError, CannotCopy) as error:
                failed.append(f"{name}: {error}")
        if len(failed) == len(looks):
            return Seen(error=DecodeError(failed[0].partition(": ")[2]))
        return Seen(frames=video.info.frame_count, looks=tuple(failed))


def _cut(video: Video, folder: Path) -> tuple[()]:
    """A copy of the whole video, which is thrown away."""
    target = folder / f"cut {secrets.token_hex(4)}.mkv"
    try:
        video.cut(0, video.info.duration_seconds, target)
    finally:
        target.unlink(missing_ok=True)
    return ()
