"""Open videos shared by all episodes of a graph: one open file for each, closed when idle."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from eva_graph_tools import Video


@dataclass(slots=True)
class _Slot:
    video: Video
    users: int = 0


class OpenVideos:
    """At most `max_idle` videos stay open while nobody uses them; those in use always do."""

    def __init__(self, max_idle: int = 8) -> None:
        self._max_idle = max_idle
        self._lock = threading.Lock()
        self._slots: OrderedDict[tuple[str, int, int], _Slot] = OrderedDict()

    @contextmanager
    def use(self, path: str) -> Iterator[Video]:
        """The open video of a path; a changed file is opened anew.

        Raises:
            ToolError: the file cannot be opened; one line.
        """
        key = _identity(path)
        slot = self._take(key, path)
        try:
            yield slot.video
        finally:
            self._give_back(slot)

    def _take(self, key: tuple[str, int, int], path: str) -> _Slot:
        with self._lock:
            slot = self._slots.get(key)
            if slot is None:
                slot = self._slots[key] = _Slot(Video.open(path))
            self._slots.move_to_end(key)
            slot.users += 1
            return slot

    def _give_back(self, slot: _Slot) -> None:
        with self._lock:
            slot.users -= 1
            idle = [key for key, other in self._slots.items() if other.users == 0]
            for key in idle[: max(0, len(idle) - self._max_idle)]:
                self._slots.pop(key).video.close()


def _identity(path: str) -> tuple[str, int, int]:
    try:
        stat = Path(path).stat()
    except OSError:
        return (str(path), 0, 0)  # Video.open says what is wrong
    return (str(Path(path).absolute()), stat.st_size, stat.st_mtime_ns)
