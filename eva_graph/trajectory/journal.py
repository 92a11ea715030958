"""Append-only events of running episodes; idempotent across retry and resume.

An event is keyed by trajectory, turn and kind; of several with one key the last written wins, so
a step that is repeated after a crash replaces what it wrote before. On disk an episode's events
are one JSON-lines file; a torn last line is ignored.
"""

from __future__ import annotations

import json
import os
import threading
from collections import OrderedDict
from pathlib import Path
from typing import Any, Literal, Protocol, TypeAlias

from eva_graph.errors import TrajectoryError

EventKind = Literal["start", "message", "plan", "look", "end"]
Event: TypeAlias = dict[str, Any]
"""`{"turn": int, "kind": EventKind, "node": str, "attempt": int, "data": {…}}`"""


class Journal(Protocol):
    """Where nodes write events."""

    def append(self, trajectory_id: str, event: Event) -> None:
        """Add one event; durable when this returns, where the journal is on disk."""
        ...

    def events(self, trajectory_id: str) -> list[Event]:
        """Events of an episode, one for each key, in order of turn."""
        ...


class MemoryJournal:
    """Keeps the most recent episodes of this process; for runs that record nothing."""

    def __init__(self, max_trajectories: int = 512) -> None:
        self._max = max_trajectories
        self._lock = threading.Lock()
        self._events: OrderedDict[str, list[Event]] = OrderedDict()

    def append(self, trajectory_id: str, event: Event) -> None:
        """Keep the event; the least recently written episode is forgotten beyond the limit."""
        with self._lock:
            self._events.setdefault(trajectory_id, []).append(event)
            self._events.move_to_end(trajectory_id)
            while len(self._events) > self._max:
                self._events.popitem(last=False)

    def events(self, trajectory_id: str) -> list[Event]:
        """See `Journal`."""
        with self._lock:
            return last_of_each(list(self._events.get(trajectory_id, ())))


class FileJournal:
    """One JSON-lines file an episode, below a run directory."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def append(self, trajectory_id: str, event: Event) -> None:
        """Append one line in a single write and flush it to disk. Raises `TrajectoryError`."""
        line = json.dumps(event, ensure_ascii=True, allow_nan=False) + "\n"
        try:
            append_line(self._path(trajectory_id), line)
        except OSError as error:
            raise TrajectoryError(f"cannot write the journal: {error}") from None

    def events(self, trajectory_id: str) -> list[Event]:
        """See `Journal`."""
        path = self._path(trajectory_id)
        if not path.exists():
            return []
        return last_of_each(read_json_lines(path))

    def _path(self, trajectory_id: str) -> Path:
        return self._folder / f"{trajectory_id}.jsonl"


def append_line(path: Path, line: str) -> None:
    """Append in one write, starting on a new line even where a crash tore the last one."""
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT, 0o644)
    try:
        size = os.fstat(descriptor).st_size
        torn = size > 0 and os.pread(descriptor, 1, size - 1) != b"\n"
        os.write(descriptor, (("\n" if torn else "") + line).encode("ascii"))
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def read_json_lines(path: Path) -> list[dict[str, Any]]:
    """Every complete JSON object line; torn lines are skipped."""
    values: list[dict[str, Any]] = []
    for line in path.read_text(encoding="utf-8", errors="replace").splitlines():
        try:
            value = json.loads(line)
        except ValueError:
            continue
        if isinstance(value, dict):
            values.append(value)
    return values


def last_of_each(events: list[Event]) -> list[Event]:
    """The last event of every (turn, kind), in order of turn and of the first appearance."""
    latest: dict[tuple[int, str], Event] = {}
    for event in events:
        latest[event["turn"], event["kind"]] = event
    return sorted(latest.values(), key=lambda event: event["turn"])
