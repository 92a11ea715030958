"""Several runs as one: every trajectory once, its frames linked or copied.

Of two records with one id the one finished or amended last is taken, as within a run. Finished
episodes that are only in a journal come along; unfinished ones stay where they can be resumed. The
sources are only read. Frames are hard links where both runs lie on one disk, and copies elsewhere:
stored frames are never changed in place.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from eva_graph.errors import TrajectoryError
from eva_graph.trajectory.frames import frame_refs
from eva_graph.trajectory.schema import Trajectory
from eva_graph.trajectory.store import ARTIFACTS, RunStore
from eva_graph_tools import FrameRef, FrameStore


@dataclass(slots=True, kw_only=True)
class Merged:
    """What a merge did."""

    records: int = 0
    duplicates: int = 0
    """Records of the sources that were not taken, since another run has the same or a later one."""
    frames: int = 0
    """Frames linked or copied."""
    missing_frames: int = 0
    """Frames that records name and their run does not hold; the integrity check names them."""
    files: int = 0
    """Files that tools had made, linked or copied; their records name the new place."""


def merge_runs(
    sources: Sequence[RunStore], out: RunStore, *, advance: Callable[[], None] = lambda: None
) -> Merged:
    """Add the records of `sources` to `out`, which may hold some already.

    Args:
        sources: the runs to read.
        out: the run to write.
        advance: called for every record of the sources.

    Raises:
        TrajectoryError: a source holds nothing or is `out` itself, or a file cannot be read or
            written.
    """
    merged = Merged()
    for source in sources:
        source.check_exists()
        if source.run.resolve() == out.run.resolve():
            raise TrajectoryError(f"{out.run} cannot be merged into itself: choose another --merge")
    for source in sources:
        out.append_all(_wanted(source, out, merged, advance))
    return merged


def _wanted(
    source: RunStore, out: RunStore, merged: Merged, advance: Callable[[], None]
) -> Iterator[Trajectory]:
    held = out.written_times()
    for record in _finished(source):
        advance()
        if record.trajectory_id in held and record.written <= held[record.trajectory_id]:
            merged.duplicates += 1
            continue
        merged.duplicates += record.trajectory_id in held
        merged.records += record.trajectory_id not in held
        for ref in frame_refs(record):
            _bring_frame(ref, source.frames, out.frames, merged)
        _bring_files(record, source.run, out.run, merged)
        yield record


def _finished(source: RunStore) -> Iterator[Trajectory]:
    unwritten = source.unwritten()
    later = set(unwritten)
    yield from (record for record in source.records() if record.trajectory_id not in later)
    yield from map(source.fold, unwritten)


def _bring_frame(ref: FrameRef, source: FrameStore, out: FrameStore, merged: Merged) -> None:
    path, target = source.path(ref), out.path(ref)
    if target.exists():
        return
    found = path.is_file()
    if found:
        _link(path, target)
    merged.frames += found
    merged.missing_frames += not found


def _bring_files(record: Trajectory, source: Path, out: Path, merged: Merged) -> None:
    """Clips and the like: their names tell video and range, so equal names are equal files."""
    for made in (made for turn in record.turns for call in turn.calls for made in call.artifacts):
        path = source / ARTIFACTS / Path(made.path).name
        target = (out / ARTIFACTS / path.name).absolute()
        if not path.is_file():
            continue  # it was never the run's own, or is gone
        if not target.exists():
            _link(path, target)
            merged.files += 1
        made.path = str(target)


def _link(path: Path, target: Path) -> None:
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        try:
            os.link(path, target)
        except FileExistsError:
            return
        except OSError:  # another disk, or one that knows no links
            handle, name = tempfile.mkstemp(dir=target.parent, suffix=".tmp")
            os.close(handle)
            shutil.copyfile(path, name)
            Path(name).replace(target)
    except OSError as error:
        raise TrajectoryError(f"cannot bring {path} to {target.parent}: {error}") from None
