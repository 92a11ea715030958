"""Open videos shared by all episodes of a graph: one open file for each, closed when idle."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeAlias

from eva_graph_tools import Video

_Identity: TypeAlias = tuple[str, int, int]


@dataclass(slots=True)
class _Slot:
    opening: threading.Lock = field(default_factory=threading.Lock)
    video: Video | None = None
    users: int = 0

    def open(self, path: str) -> Video:
        """The video, opened by the first user while the others wait."""
        with self.opening:
            if self.video is None:
                self.video = Video.open(path)
            return self.video


class OpenVideos:
    """At most `max_idle` videos stay open while nobody uses them; those in use always do."""

    def __init__(self, max_idle: int = 8) -> None:
        self._max_idle = max_idle
        self._lock = threading.Lock()
        self._slots: OrderedDict[_Identity, _Slot] = OrderedDict()

    @contextmanager
    def use(self, path: str) -> Iterator[Video]:
        """The open video of a path; a changed file is opened anew.

        Opening one video keeps nobody from using another.

        Raises:
            ToolError: the file cannot be opened; one line.
        """
        slot = self._take(_identity(path))
        try:
            yield slot.open(path)
        finally:
            self._give_back(slot)

    def _take(self, identity: _Identity) -> _Slot:
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
