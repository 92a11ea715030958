"""Append-only events of running episodes; idempotent across retry and resume.

An event is keyed by trajectory, turn and kind; of several with one key the last written wins, so
a step that is repeated after a crash replaces what it wrote before. It also voids what had been
written after it: a resume from an older checkpoint, or a fork, leaves one consistent course of
events. On disk an episode's events are one JSON-lines file; a torn last line is ignored.
"""

from __future__ import annotations

import json
import math
import os
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


class NoJournal:
    """For episodes that nobody will read."""

    def append(self, trajectory_id: str, event: Event) -> None:
        """Nothing is kept."""

    def events(self, trajectory_id: str) -> list[Event]:
        """See `Journal`; there are none."""
        return []


class MemoryJournal:
    """Keeps events for as long as it lives, as the lines that a file would hold."""

    def __init__(self) -> None:
        self._lines: dict[str, list[str]] = {}

    def append(self, trajectory_id: str, event: Event) -> None:
        """Keep the event."""
        self._lines.setdefault(trajectory_id, []).append(_line(event))

    def events(self, trajectory_id: str) -> list[Event]:
        """See `Journal`."""
        return course_of([json.loads(line) for line in self._lines.get(trajectory_id, ())])


class FileJournal:
    """One JSON-lines file an episode, below a run directory."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def append(self, trajectory_id: str, event: Event) -> None:
        """Append one line in a single write and flush it to disk. Raises `TrajectoryError`."""
        append_line(self._path(trajectory_id), _line(event))

    def events(self, trajectory_id: str) -> list[Event]:
        """See `Journal`."""
        path = self._path(trajectory_id)
        if not path.exists():
            return []
        return course_of(read_json_lines(path))

    def _path(self, trajectory_id: str) -> Path:
        # Whoever may edit a graph's state may write anything there.
        if Path(trajectory_id).name != trajectory_id:
            raise TrajectoryError(f"{trajectory_id!r:.80} is no trajectory id")
        return self._folder / f"{trajectory_id}.jsonl"


def _line(event: Event) -> str:
    return json.dumps(event, ensure_ascii=True, allow_nan=False) + "\n"


def append_line(path: Path, line: str) -> None:
    """Append in one write, starting on a new line even where a crash tore the last one.

    Raises:
        TrajectoryError: the line is not on disk.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT, 0o644)
        try:
            size = os.fstat(descriptor).st_size
            torn = size > 0 and os.pread(descriptor, 1, size - 1) != b"\n"
            data = (("\n" if torn else "") + line).encode("ascii")
            if os.write(descriptor, data) < len(data):
                raise OSError("the disk took only a part of a line")
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
    except OSError as error:
        raise TrajectoryError(f"cannot write {path}: {error}") from None


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


def course_of(events: list[Event]) -> list[Event]:
    """The events that hold, in order of turn: the last of each key, none of them overtaken.

    An event overtakes all that come later in an episode but were written before it.
    """
    latest: dict[tuple[float, int], Event] = {}
    for event in events:
        place = _place(event)
        reach = (place[0], _KINDS["plan"]) if event["node"] == "action" else place
        latest = {other: kept for other, kept in latest.items() if other <= reach}
        latest[place] = event
    return [latest[place] for place in sorted(latest)]


_KINDS: dict[str, int] = {"start": 0, "message": 1, "plan": 2, "look": 3, "end": 4}


def _place(event: Event) -> tuple[float, int]:
    """Where an event stands in its episode; the end belongs to no turn and follows them all."""
    kind = event["kind"]
    return (math.inf if kind == "end" else event["turn"], _KINDS[kind])
