"""Evidence reels: ranges of a video in a row, captions burnt in, as one mp4 for people.

moviepy composes and encodes; every frame comes from `Video`, so what is shown for a time is what
was on screen then, also with variable frame rate, rotation and anamorphic pixels. Without sound.
moviepy is loaded when a reel is written; it is the extra `clips`.
"""

import importlib
from collections.abc import Sequence
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from eva_graph_tools.cutting.target import new_file
from eva_graph_tools.deadline import Deadline
from eva_graph_tools.errors import EvaGraphError, InvalidArguments
from eva_graph_tools.plain_text import plain
from eva_graph_tools.video import Video

MAX_REEL_SECONDS = 900.0
MIN_PART_SECONDS = 1.0
_MAX_FPS = 30.0
_MAX_CAPTION_CHARACTERS = 300
_FRAMES_AT_ONCE = 48


@dataclass(frozen=True, slots=True, kw_only=True)
class ReelPart:
    """One range to play.

    Attributes:
        start_seconds, end_seconds: within the video. A range of less than a second, an instant
            included, is held on its last frame until it lasts one.
        caption: shown below while it plays; "" shows none.
    """

    start_seconds: float
    end_seconds: float
    caption: str = ""


def write_reel(
    video: Video,
    parts: Sequence[ReelPart],
    path: str | PathLike[str],
    *,
    max_height_pixels: int = 480,
    font: str | PathLike[str] | None = None,
    overwrite: bool = False,
    timeout_seconds: float | None = None,
) -> Path:
    """Write the parts, in the order given, to an H.264 mp4; returns its path.

    Args:
        video: where they are taken from.
        parts: what to play; together at most `MAX_REEL_SECONDS`.
        path: ends in ".mp4"; appears complete or not at all.
        max_height_pixels: larger pictures are scaled down to this height.
        font: TrueType or OpenType file for the captions; None is Pillow's own, which knows
            Latin letters only.
        overwrite: replace an existing file.
        timeout_seconds: how long decoding may take; None is unbounded.

    Raises:
        EvaGraphError: moviepy is not installed.
        InvalidArguments: no parts, a reversed one, too much of them, or a path that cannot be
            used.
        SeekOutOfRange: a part leaves the video.
        DecodeTimeout: it took longer.
        DecodeError: a frame cannot be decoded.
    """
    target = Path(path)
    _check(parts, target)
    moviepy = _moviepy()
    size = _size(video, max_height_pixels)
    fps = min(max(video.info.average_fps, 1.0), _MAX_FPS)
    deadline = Deadline.after(timeout_seconds)
    with new_file(target, source=video.path, overwrite=overwrite) as unfinished:
        clips = [_clip(moviepy, video, part, size, fps, font, deadline) for part in parts]
        reel = moviepy.concatenate_videoclips(clips)
        reel.write_videofile(
            str(unfinished),
            fps=fps,
            codec="libx264",
            audio=False,
            pixel_format="yuv420p",
            ffmpeg_params=["-movflags", "+faststart"],
            logger=None,
        )
    return target


def _check(parts: Sequence[ReelPart], target: Path) -> None:
    if target.suffix.lower() != ".mp4":
        raise InvalidArguments(f"{target.name}: a reel is an mp4 file, give a path that ends so")
    if not parts:
        raise InvalidArguments("a reel needs at least one part")
    for part in parts:
        if part.end_seconds < part.start_seconds:
            raise InvalidArguments(
                f"a part ends ({part.end_seconds:g} s) before it starts ({part.start_seconds:g} s)"
            )
    seconds = sum(_duration(part) for part in parts)
    if not seconds <= MAX_REEL_SECONDS:
        raise InvalidArguments(
            f"the parts last {seconds:.0f} s, a reel at most {MAX_REEL_SECONDS:.0f} s: "
            "choose fewer or shorter ones"
        )


def _moviepy() -> Any:
    try:
        return importlib.import_module("moviepy")
    except ImportError as error:
        raise EvaGraphError(
            "reels need moviepy: install it with pip install 'eva-graph[clips]'"
        ) from error


def _size(video: Video, max_height_pixels: int) -> tuple[int, int]:
    """Even sides, as H.264 wants them, of the displayed picture."""
    scale = min(1.0, max_height_pixels / video.info.height)
    width, height = video.info.width * scale / 2, video.info.height * scale / 2
    return max(2, 2 * round(width)), max(2, 2 * round(height))


def _duration(part: ReelPart) -> float:
    return max(part.end_seconds - part.start_seconds, MIN_PART_SECONDS)


def _clip(
    moviepy: Any,
    video: Video,
    part: ReelPart,
    size: tuple[int, int],
    fps: float,
    font: str | PathLike[str] | None,
    deadline: Deadline,
) -> Any:
    times = _times(part, fps)
    feed = _Feed(video, times, size, deadline)
    duration = len(times) / fps
    shown = moviepy.VideoClip(lambda t: feed.at(round(t * fps)), duration=duration)
    text = plain(part.caption, _MAX_CAPTION_CHARACTERS)
    if not text:
        return shown
    margin = max(2, size[1] // 60)
    caption = moviepy.TextClip(
        font=None if font is None else str(font),
        text=text,
        font_size=max(8, size[1] // 18),
        size=(max(1, size[0] - 2 * margin), None),
        margin=(margin, margin),
        color="white",
        bg_color=(0, 0, 0, 160),
        method="caption",
        text_align="center",
        duration=duration,
    )
    return moviepy.CompositeVideoClip(
        [shown, caption.with_position(("center", "bottom"))], size=size
    )


def _times(part: ReelPart, fps: float) -> list[float]:
    """The instants shown, one per frame of the reel."""
    last = max(part.end_seconds - 0.5 / fps, part.start_seconds)
    count = max(1, round(_duration(part) * fps))
    return [min(part.start_seconds + number / fps, last) for number in range(count)]


class _Feed:
    """Frames by number, decoded some at a time; asked for in ascending order."""

    def __init__(
        self, video: Video, times: Sequence[float], size: tuple[int, int], deadline: Deadline
    ) -> None:
        self._video, self._times, self._size, self._deadline = video, times, size, deadline
        self._first = 0
        self._pixels: list[npt.NDArray[np.uint8]] = []

    def at(self, number: int) -> npt.NDArray[np.uint8]:
        """Height x width x 3 RGB of a frame; the last one for numbers beyond."""
        number = min(max(number, 0), len(self._times) - 1)
        if not self._first <= number < self._first + len(self._pixels):
            wanted = self._times[number : number + _FRAMES_AT_ONCE]
            frames = self._video.frames_at(
                wanted, size=self._size, timeout_seconds=self._deadline.left()
            )
            self._first, self._pixels = number, [frame.pixels for frame in frames]
        return self._pixels[number - self._first]
