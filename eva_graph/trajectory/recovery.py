"""Episodes that the journal knows and the records do not: finished but unwritten, or unfinished.

An episode is finished once its end event is in the journal. Whoever died between that and the
record lost nothing: the journal folds into the same record. Folding an episode that another process
is writing at this moment makes two equal lines of one record, which count once.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from eva_graph.errors import TrajectoryError
from eva_graph.trajectory.journal import Event
from eva_graph.trajectory.record_index import Place, TornLine

_WINDOW_BYTES = 64 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Recovered:
    """What opening a run came upon, and what was done about it."""

    torn: tuple[TornLine, ...] = ()
    """Left out of the run; where such a line's episode had a journal it is in `folded`."""
    folded: tuple[str, ...] = ()
    """Finished episodes whose records were written from the journal."""
    unfinished: tuple[str, ...] = ()
    """Episodes that run, or died: they can be resumed from their checkpoint."""
    unreadable: tuple[str, ...] = ()
    """Finished episodes whose journals make no record: somebody else changed them."""

    def lines(self) -> list[str]:
        """One sentence each, nothing where there is nothing to say."""
        said = [f"left out: {line}" for line in self.torn]
        if self.folded:
            said.append(f"recovered from the journal: {_count(self.folded)}")
        if self.unreadable:
            said.append(f"journals that make no record: {_count(self.unreadable)}")
        if self.unfinished:
            said.append(f"not finished: {_count(self.unfinished)}")
        return said


def unwritten(folder: Path, places: Mapping[str, Place]) -> tuple[list[str], list[str]]:
    """Ids of episodes that are finished but not (so) in the records, and of unfinished ones.

    Args:
        folder: the journal's.
        places: where the records lie.

    Raises:
        TrajectoryError: a journal cannot be read.
    """
    finished: list[str] = []
    unfinished: list[str] = []
    for path in sorted(folder.glob("*.jsonl")):
        last = _last_event(path)
        place = places.get(path.stem)
        if last is None or last.get("kind") != "end":
            if place is None:
                unfinished.append(path.stem)
        elif place is None or _finished_at(last) > place.written:
            finished.append(path.stem)
    return finished, unfinished


def _finished_at(end: Event) -> str:
    data = end.get("data")
    return str(data.get("finished") or "") if isinstance(data, dict) else ""


def _last_event(path: Path) -> Event | None:
    """The last whole line of a journal."""
    try:
        with path.open("rb") as file:
            lines = _tail(file).split(b"\n")
    except OSError as error:
        raise TrajectoryError(f"cannot read {path}: {error}") from None
    for line in reversed(lines):
        try:
            event = json.loads(line)
        except ValueError:
            continue
        if isinstance(event, dict):
            return event
    return None


def _tail(file: IO[bytes]) -> bytes:
    """The end of a file from the line end before its last whole line on, or all of it."""
    size = file.seek(0, 2)
    window = _WINDOW_BYTES
    while True:
        start = max(0, size - window)
        file.seek(start)
        data = file.read(size - start)
        if start == 0 or data.count(b"\n") > 2:
            return data
        window *= 4


def _count(ids: tuple[str, ...]) -> str:
    some = ", ".join(ids[:3]) + (", …" if len(ids) > 3 else "")
    return f"{len(ids):,} episode{'' if len(ids) == 1 else 's'} ({some})"
