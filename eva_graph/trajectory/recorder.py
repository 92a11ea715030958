"""Where an episode's events and frames go: a run directory, or memory and a bounded cache.

RUN/journal/<trajectory>.jsonl   events while an episode runs
RUN/records.jsonl                one line for every finished episode; the last one wins
RUN/frames/                      the frames, content-addressed; a recorded run owns them
"""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from eva_graph.errors import TrajectoryError
from eva_graph.trajectory.fold import fold
from eva_graph.trajectory.journal import (
    EventKind,
    FileJournal,
    Journal,
    MemoryJournal,
    append_line,
    read_json_lines,
)
from eva_graph.trajectory.schema import Trajectory
from eva_graph_tools import FrameStore


class Recorder:
    """Writes one run's events; safe for several threads and processes."""

    def __init__(self, run: str | Path | None = None, *, frames: FrameStore | None = None) -> None:
        """Open (and create) a run directory; None keeps events in memory, frames in the cache."""
        self.run = None if run is None else Path(run)
        if self.run is None:
            self._journal: Journal = MemoryJournal()
            self.frames = frames or FrameStore.cache()
        else:
            if self.run.exists() and not self.run.is_dir():
                raise TrajectoryError(f"{self.run} is a file: a run needs a directory")
            self._journal = FileJournal(self.run / "journal")
            self.frames = FrameStore(self.run / "frames")

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
        if self.run is not None:
            record = self.trajectory(trajectory_id)
            append_line(self.run / "records.jsonl", record.to_line() + "\n")


class Recorders:
    """The recorder of each run directory, opened once and shared by all threads."""

    def __init__(self, frames: FrameStore | None = None) -> None:
        self._frames = frames
        self._lock = threading.Lock()
        self._open: dict[str | None, Recorder] = {}

    def of(self, run: str | None) -> Recorder:
        """The recorder of `run`; None is the one that records nothing."""
        key = None if run is None else str(Path(run).absolute())
        with self._lock:
            if key not in self._open:
                self._open[key] = Recorder(key, frames=self._frames)
            return self._open[key]


def read_records(run: str | Path) -> Iterator[Trajectory]:
    """The finished episodes of a run directory, in the order of their first line.

    Raises:
        TrajectoryError: no such run, or a record of another version.
    """
    path = Path(run) / "records.jsonl"
    if not path.exists():
        raise TrajectoryError(f"{run} has no records.jsonl: nothing was recorded there")
    latest = {
        value["trajectory_id"]: value for value in read_json_lines(path) if "trajectory_id" in value
    }
    for value in latest.values():
        yield Trajectory.from_line(json.dumps(value))
