"""Where the last record of every trajectory lies: ids and offsets, never records.

Files are read once and then only where they have grown. Of several records of a trajectory the one
finished or amended last counts; of equals the one that is read last. A last line without its end is
torn: a crash, or a write that is under way. It is left out, named in `torn`, and read again later.
"""

from __future__ import annotations

import json
import re
import threading
from collections import OrderedDict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, NamedTuple

from eva_graph.errors import TrajectoryError
from eva_graph.trajectory.shards import shard_files

_HEAD = re.compile(
    rb'\{"version": \d+, "trajectory_id": "([^"\\]+)", "created": "[^"\\]*"'
    rb'(?:, "finished": (?:null|"([^"\\]*)"), "amended": (?:null|"([^"\\]*)"))?'
)
_OPEN_FILES = 16


class Place(NamedTuple):
    """Where a record lies, and when it was finished or amended."""

    shard: int
    offset: int
    size: int
    written: str


@dataclass(frozen=True, slots=True)
class TornLine:
    """A line that is no whole record."""

    path: Path
    offset: int
    size: int

    def __str__(self) -> str:
        return f"{self.path} has {self.size} bytes at {self.offset} that are no whole record"


class RecordIndex:
    """Ids and places of a run's records. Safe for threads."""

    def __init__(self, run: Path) -> None:
        self._run = run
        self._lock = threading.Lock()
        self._shards: list[Path] = []
        self._read_up_to: dict[Path, int] = {}
        self._torn: dict[Path, list[TornLine]] = {}
        self._places: dict[str, Place] = {}

    def places(self) -> dict[str, Place]:
        """Places by trajectory id in the order of first lines, as the files are now.

        Raises:
            TrajectoryError: a file cannot be read.
        """
        with self._lock:
            self._refresh()
            return dict(self._places)

    def find(self, trajectory_id: str) -> Place | None:
        """Where a trajectory's record lies now. Raises `TrajectoryError` as `places`."""
        with self._lock:
            self._refresh()
            return self._places.get(trajectory_id)

    def count(self) -> int:
        """How many trajectories there are now. Raises `TrajectoryError` as `places`."""
        with self._lock:
            self._refresh()
            return len(self._places)

    @property
    def torn(self) -> tuple[TornLine, ...]:
        """What the last reading could not make a record of."""
        with self._lock:
            return tuple(line for lines in self._torn.values() for line in lines)

    def lines(self, places: Iterable[Place]) -> Iterator[tuple[str, bytes]]:
        """Record lines, one at a time, each with where it stands. Raises `TrajectoryError`."""
        opened: OrderedDict[int, IO[bytes]] = OrderedDict()
        try:
            for place in places:
                where = f"{self._shards[place.shard]}, {place.size} bytes at {place.offset}"
                yield where, self._line(place, opened)
        finally:
            for file in opened.values():
                file.close()

    def _line(self, place: Place, opened: OrderedDict[int, IO[bytes]]) -> bytes:
        path = self._shards[place.shard]
        try:
            if place.shard not in opened:
                opened[place.shard] = path.open("rb")
                if len(opened) > _OPEN_FILES:
                    opened.popitem(last=False)[1].close()
            opened[place.shard].seek(place.offset)
            return opened[place.shard].read(place.size)
        except OSError as error:
            raise TrajectoryError(f"cannot read {path}: {error}") from None

    def _refresh(self) -> None:
        for path in shard_files(self._run):
            if path not in self._read_up_to:
                self._shards.append(path)
                self._read_up_to[path] = 0
        for number, path in enumerate(self._shards):
            self._extend(number, path)

    def _extend(self, number: int, path: Path) -> None:
        offset = self._read_up_to[path]
        torn = [line for line in self._torn.get(path, ()) if line.offset < offset]
        try:
            size = path.stat().st_size
            if size < offset:
                raise TrajectoryError(f"{path} was made shorter while it was read: open it anew")
            if size == offset:
                return
            with path.open("rb") as file:
                file.seek(offset)
                for line in file:
                    head = _head(line, strict=path.name == "records.jsonl")
                    if head is None:
                        torn.append(TornLine(path, offset, len(line)))
                        if not line.endswith(b"\n"):
                            break
                    else:
                        self._keep(head[0], Place(number, offset, len(line), head[1]))
                    offset += len(line)
        except OSError as error:
            raise TrajectoryError(f"cannot read {path}: {error}") from None
        self._read_up_to[path] = offset
        self._torn[path] = torn

    def _keep(self, trajectory_id: str, place: Place) -> None:
        known = self._places.get(trajectory_id)
        if known is None or place.written >= known.written:
            self._places[trajectory_id] = place


def _head(line: bytes, *, strict: bool) -> tuple[str, str] | None:
    """Id and time of a record line; None for what is none. `strict` reads all of it.

    Only our own shards can be trusted to hold no torn line before the last.
    """
    if not line.endswith(b"}\n"):
        return None
    match = None if strict else _HEAD.match(line)
    if match is not None:
        written = max(match[2] or b"", match[3] or b"")
        return match[1].decode("utf-8", "replace"), written.decode("utf-8", "replace")
    try:
        record = json.loads(line)
    except ValueError:
        return None
    if not isinstance(record, dict) or not isinstance(record.get("trajectory_id"), str):
        return None
    times = (record.get("finished"), record.get("amended"))
    return record["trajectory_id"], max((t for t in times if isinstance(t, str)), default="")
