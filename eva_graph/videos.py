"""Open videos shared by all episodes of a graph: one open file for each, closed when idle.

How they are opened (in worker processes, below one folder only, with what patience) is said once
here for all episodes.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from os import PathLike
from pathlib import Path
from typing import TypeAlias

from eva_graph_tools import Video

_Identity: TypeAlias = tuple[str, int, int]
"""Absolute path, bytes and time of the last change, of one file."""


@dataclass(slots=True)
class _Slot:
    opening: threading.Lock = field(default_factory=threading.Lock)
    video: Video | None = None
    users: int = 0

    def open(self, make: Callable[[], Video]) -> Video:
        """The video, opened by the first user while the others wait."""
        with self.opening:
            if self.video is None:
                self.video = make()
            return self.video


class OpenVideos:
    """How videos are opened, and those that are open. Safe for threads.

    Args:
        max_idle: how many stay open while nobody uses them; those in use always do.
        isolated: read files in worker processes with limits: for files that one does not trust.
        media_root: only files below this folder are opened; None is any local file.
        timeout_seconds: how long opening may take; None leaves it to `Video.open`.
    """

    def __init__(
        self,
        max_idle: int = 8,
        *,
        isolated: bool = False,
        media_root: str | PathLike[str] | None = None,
        timeout_seconds: float | None = None,
    ) -> None:
        self._max_idle = max_idle
        self._isolated = isolated
        self._media_root = media_root
        self._timeout_seconds = timeout_seconds
        self._lock = threading.Lock()
        self._slots: OrderedDict[tuple[_Identity, ...], _Slot] = OrderedDict()

    @contextmanager
    def use(self, path: str, subtitles: str | None = None) -> Iterator[Video]:
        """The open video of a path; a changed file is opened anew.

        Opening one video keeps nobody from using another.

        Args:
            path: the video file.
            subtitles: a subtitle file; None finds those beside the video.

        Raises:
            ToolError: a file cannot be opened; one line.
        """
        files = (path,) if subtitles is None else (path, subtitles)
        slot = self._take(tuple(map(_identity, files)))
        try:
            yield slot.open(partial(self._open, path, subtitles))
        finally:
            self._give_back(slot)

    def _open(self, path: str, subtitles: str | None) -> Video:
        return Video.open(
            path,
            isolated=self._isolated,
            media_root=self._media_root,
            timeout_seconds=self._timeout_seconds,
            subtitles=subtitles,
        )

    def _take(self, identity: tuple[_Identity, ...]) -> _Slot:
        with self._lock:
            slot = self._slots.setdefault(identity, _Slot())
            self._slots.move_to_end(identity)
            slot.users += 1
            return slot

    def _give_back(self, slot: _Slot) -> None:
        with self._lock:
            slot.users -= 1
            idle = [key for key, other in self._slots.items() if other.users == 0]
            unopened = [key for key in idle if self._slots[key].video is None]
            opened = [key for key in idle if self._slots[key].video is not None]
            surplus = opened[: max(0, len(opened) - self._max_idle)]
            dropped = [self._slots.pop(key).video for key in (*unopened, *surplus)]
        for video in dropped:
            if video is not None:
                video.close()


def _identity(path: str) -> _Identity:
    try:
        stat = Path(path).stat()
    except OSError:
        return (str(path), 0, 0)  # Video.open says what is wrong
    return (str(Path(path).absolute()), stat.st_size, stat.st_mtime_ns)
