"""Frames that nothing names any more: of episodes that were deleted, forked or never recorded.

A frame is kept if any line of a record or a journal names it, or if it was written or shown within
`min_age_seconds`: a running episode writes a frame before it writes the event that names it. The
writers need no lock. A frame is first renamed and then looked at again: a writer that wanted it in
between either marked it as used, and it is put back, or finds it gone and writes it anew. Notes of
looks taken before (`eva_graph_tools.cached_looks`) go where frames of theirs would.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from eva_graph.errors import TrajectoryError
from eva_graph.trajectory.shards import shard_files
from eva_graph.trajectory.store import RunStore

MIN_AGE_SECONDS = 3600.0
_NAMED = re.compile(rb"frame://sha256:([0-9a-f]{64})")
_DOOMED = ".doomed"
_ID = re.compile(rb'"trajectory_id": ?"([0-9a-zA-Z_-]+)"')
_HEAD_BYTES = 4096


@dataclass(slots=True, kw_only=True)
class Garbage:
    """What was removed, or would be."""

    frames: int = 0
    size_bytes: int = 0
    kept_frames: int = 0

    def count(self, freed_bytes: int) -> None:
        """Add a file; one that freed nothing was kept."""
        self.frames += freed_bytes > 0
        self.size_bytes += freed_bytes
        self.kept_frames += freed_bytes == 0


def collect_garbage(
    store: RunStore,
    *,
    min_age_seconds: float = MIN_AGE_SECONDS,
    dry_run: bool = False,
    advance: Callable[[], None] = lambda: None,
) -> Garbage:
    """Remove the frames that no record and no journal of the run names.

    Keeps the hashes of named frames in memory.

    Args:
        store: the run; other processes may go on writing to it.
        min_age_seconds: younger frames stay; longer than any look takes.
        dry_run: only count.
        advance: called for every frame that was looked at.

    Raises:
        TrajectoryError: nothing was recorded here, a file cannot be read or removed, or a line is
            so damaged that nobody knows which frames it named.
    """
    store.check_exists()
    _require_known(store)
    garbage = Garbage()
    before = time.time() - min_age_seconds
    remove = _size_if_older if dry_run else _remove
    try:
        named = _named_frames(store.run)
        for note in store.frames.root.glob("??/*.json"):
            garbage.size_bytes += _tidy_note(note, named, before, remove)
        for path in store.frames.root.glob("??/*"):
            if path.suffix == ".json":
                continue
            whole = _whole(path) if not dry_run else path
            freed = 0 if whole.name[:64] in named else remove(whole, before)
            garbage.count(freed)
            advance()
    except OSError as error:
        raise TrajectoryError(f"cannot collect garbage in {store.run}: {error}") from None
    return garbage


def _require_known(store: RunStore) -> None:
    """A torn line is harmless where its episode's journal, or another record, names its frames."""
    for line in store.recovered.torn:
        with line.path.open("rb") as file:
            file.seek(line.offset)
            match = _ID.search(file.read(min(line.size, _HEAD_BYTES)))
        name = match.group(1).decode("ascii") if match else ""
        if name not in store and not (store.run / "journal" / f"{name}.jsonl").is_file():
            raise TrajectoryError(
                f"{line}: nobody knows which frames they named; restore or remove them first"
            )


def _named_frames(run: Path) -> set[str]:
    """Hashes that any line names, those of replaced records included."""
    named: set[str] = set()
    for path in [*shard_files(run), *(run / "journal").glob("*.jsonl")]:
        with path.open("rb") as file:
            for line in file:
                named |= _names_in(line)
    return named


def _names_in(text: bytes) -> set[str]:
    return {match.decode("ascii") for match in _NAMED.findall(text)}


def _tidy_note(
    note: Path, named: set[str], before: float, remove: Callable[[Path, float], int]
) -> int:
    """Drop the memory of a look whose frames nothing else names; a young one names its frames."""
    try:
        names = _names_in(note.read_bytes())
    except FileNotFoundError:
        return 0
    freed = 0 if names <= named else remove(note, before)
    if not freed:
        named |= names
    return freed


def _whole(path: Path) -> Path:
    """Put back what a collection that was killed between its two steps had renamed."""
    return path.replace(path.with_suffix("")) if path.suffix == _DOOMED else path


def _size_if_older(path: Path, before: float) -> int:
    """Bytes of a file last used before that time, else 0; 0 as well where it is gone."""
    try:
        status = path.stat()
    except FileNotFoundError:
        return 0
    return status.st_size if status.st_mtime < before else 0


def _remove(path: Path, before: float) -> int:
    """Bytes freed; 0 where the file is too young or came into use meanwhile."""
    if not _size_if_older(path, before):
        return 0
    doomed = path.replace(path.with_name(path.name + _DOOMED))
    size = _size_if_older(doomed, before)
    if size:
        doomed.unlink()
    else:
        doomed.replace(path)
    return size
