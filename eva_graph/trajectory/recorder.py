"""Where an episode's events and frames go: a run directory, or memory and a bounded cache.

Events of a run without a directory are kept in memory only where somebody will read them.
A run directory's layout is that of `eva_graph.trajectory.store`.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from eva_graph.trajectory.fold import fold
from eva_graph.trajectory.journal import (
    EventKind,
    Journal,
    MemoryJournal,
    NoJournal,
)
from eva_graph.trajectory.schema import Trajectory
from eva_graph.trajectory.store import ARTIFACTS, RunStore
from eva_graph_tools import FrameStore


class Recorder:
    """Writes one run's events; safe for several threads and processes."""

    def __init__(
        self,
        run: str | Path | None = None,
        *,
        frames: FrameStore | None = None,
        journal: Journal | None = None,
    ) -> None:
        """Open (and create) a run directory, or without one write to `journal` and `frames`.

        Raises:
            TrajectoryError: a file lies where the directory should be.
        """
        self.run = None if run is None else Path(run)
        self._store = None if self.run is None else RunStore(self.run)
        if self._store is None:
            self._journal = journal or MemoryJournal()
            self.frames = frames or FrameStore.cache()
            self.artifacts: Path | None = None
        else:
            self._journal = self._store.journal
            self.frames = self._store.frames
            self.artifacts = self._store.run / ARTIFACTS

    def append(
        self,
        trajectory_id: str,
        *,
        turn: int,
        kind: EventKind,
        node: str,
        attempt: int,
        data: dict[str, Any],
    ) -> None:
        """Add one event; `data` must be JSON."""
        event = {"turn": turn, "kind": kind, "node": node, "attempt": attempt, "data": data}
        self._journal.append(trajectory_id, event)

    def trajectory(self, trajectory_id: str) -> Trajectory:
        """The episode as far as it went. Raises `TrajectoryError` where nothing was recorded."""
        return fold(trajectory_id, self._journal.events(trajectory_id))

    def finish(self, trajectory_id: str) -> None:
        """Write the finished episode's record, where the run has a directory."""
        if self._store is not None:
            self._store.append(self.trajectory(trajectory_id))


class Recorders:
    """The recorders of a graph's runs, shared by all threads."""

    def __init__(self, frames: FrameStore | None = None) -> None:
        """`frames` is for runs without a directory; None is the user's cache."""
        self._frames = frames or FrameStore.cache()
        self._lock = threading.Lock()
        self._directories: dict[str, Recorder] = {}
        self._unread = Recorder(frames=self._frames, journal=NoJournal())
        self._listeners: dict[str, Recorder] = {}

    def of(self, run: str | None, thread_id: str) -> Recorder:
        """The recorder of a run directory; without one, that of whoever listens to the thread.

        Raises:
            TrajectoryError: a file lies where the directory should be.
        """
        if run is None:
            return self._listeners.get(thread_id, self._unread)
        key = str(Path(run).absolute())
        with self._lock:
            if key not in self._directories:
                self._directories[key] = Recorder(key)
            return self._directories[key]

    @contextmanager
    def listening(self, run: str | None, thread_id: str) -> Iterator[Recorder]:
        """The recorder of a run that will be read; one without a directory is kept until then."""
        if run is not None:
            yield self.of(run, thread_id)
            return
        recorder = self._listeners[thread_id] = Recorder(frames=self._frames)
        try:
            yield recorder
        finally:
            del self._listeners[thread_id]


def read_records(run: str | Path) -> Iterator[Trajectory]:
    """The finished episodes of a run directory: see `RunStore.records`.

    Raises:
        TrajectoryError: no such run, or a record of another version.
    """
    return RunStore(run).records()
