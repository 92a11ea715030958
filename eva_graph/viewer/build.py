"""Reads one run, or two on the same questions, and writes the page about them.

One pass in constant memory: rows of the list stay, episodes and thumbnails go to disk at once.
Two runs are matched by the video's content and the question; where a question was asked several
times, the first goes with the first.
"""

from __future__ import annotations

import math
import os
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

from eva_graph.errors import InvalidRequest, TrajectoryError
from eva_graph.trajectory import RunStore, Trajectory
from eva_graph.viewer.episodes import FrameList, detail, row, subject
from eva_graph.viewer.page import Chunks, write_page
from eva_graph.viewer.thumbnails import Thumbnails
from eva_graph_tools import FrameRef, FrameStore

DEFAULT_MAX_MB = 120


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """What was written."""

    path: Path
    """The file to open."""
    questions: int
    thumbnails: int
    missing_frames: int
    total_bytes: int
    """Of the page and, where it is a folder, of all its files."""


def write_view(
    runs: Sequence[str | Path],
    out: str | Path,
    *,
    max_megabytes: float = DEFAULT_MAX_MB,
    only: Collection[str] = (),
    reels: bool = False,
    link_frames: bool = True,
    on_episode: Callable[[], None] | None = None,
) -> View:
    """Write a page about one run, or about two side by side.

    Args:
        runs: one or two run directories.
        out: the HTML file; above the bound a folder of its name, without the ending.
        max_megabytes: the largest single file, in millions of bytes.
        only: ids of the episodes to show; all where it is empty.
        reels: also write an evidence reel of each episode, into a folder beside `out`.
        link_frames: link to the stored frames; False for a page that leaves this machine.
        on_episode: called after each episode, to show progress.

    Raises:
        TrajectoryError: a run cannot be read, or the page cannot be written.
        InvalidRequest: not one or two runs, `out` or the bound cannot be used, or nothing has
            one of the ids.
        EvaGraphError: a reel cannot be written (see `episode_reel`).
    """
    if not 1 <= len(runs) <= 2:
        raise InvalidRequest(f"a page shows one run or two side by side, not {len(runs)}")
    if not 0 <= max_megabytes < math.inf:
        raise InvalidRequest(f"--max-mb must be 0 or more, not {max_megabytes}")
    stores = [RunStore(run) for run in runs]
    out = Path(out)
    if out.is_dir():
        raise InvalidRequest(f"{out} is a directory: --out names the HTML file to write")
    page = _Page(out, len(stores), reels=reels)
    with closing(page.thumbnails) as thumbnails, closing(page.chunks) as chunks:
        for side, store in enumerate(stores):
            for trajectory in _wanted(store, only):
                page.add(side, store, trajectory)
                if on_episode is not None:
                    on_episode()
        unknown = set(only) - page.ids
        if unknown:
            raise InvalidRequest(f"no episode has the id {', '.join(sorted(unknown))}")
        questions = list(page.questions.values())
        index = {"runs": _described(stores, out if link_frames else None), "questions": questions}
        path = write_page(out, index, chunks, max_bytes=int(max_megabytes * 1_000_000))
        return View(
            path=path,
            questions=len(questions),
            thumbnails=len(thumbnails),
            missing_frames=thumbnails.missing,
            total_bytes=_size(path, in_folder=path != out),
        )


def episodes_of(store: RunStore) -> Iterator[Trajectory]:
    """The episodes of a run: its records, then those that only its journals know.

    Nothing is written: an episode that still runs is shown as far as it went.

    Raises:
        TrajectoryError: nothing was recorded there, or a record cannot be read.
    """
    yield from store.records()
    known = set(store.ids())
    for path in sorted((store.run / "journal").glob("*.jsonl")):
        if path.stem not in known:
            try:
                yield store.fold(path.stem)
            except TrajectoryError:
                continue  # its first event is torn off: nothing says what was asked


def _wanted(store: RunStore, only: Collection[str]) -> Iterator[Trajectory]:
    return (each for each in episodes_of(store) if not only or each.trajectory_id in only)


class _Page:
    """What the pass over the runs gathers."""

    def __init__(self, out: Path, sides: int, *, reels: bool) -> None:
        self.questions: dict[tuple[str, str, int], dict[str, Any]] = {}
        self.ids: set[str] = set()
        self.thumbnails, self.chunks = Thumbnails(), Chunks()
        self._asked: Counter[tuple[int, str, str]] = Counter()
        self._sides = sides
        self._reels = out.with_name(f"{out.stem}-reels") if reels else None

    def add(self, side: int, store: RunStore, trajectory: Trajectory) -> None:
        """Take up an episode of a side."""
        number = len(self.chunks)
        self.ids.add(trajectory.trajectory_id)
        about = (trajectory.video.video_id, trajectory.question)
        key = (*about, self._asked[(side, *about)])
        self._asked[(side, *about)] += 1
        entry = self.questions.setdefault(
            key, {**subject(trajectory), "sides": [None] * self._sides}
        )
        entry["sides"][side] = {**row(trajectory), "chunk": number}
        frames = FrameList()
        value = detail(trajectory, frames)
        known = [ref for ref in frames.refs if ref is not None]
        pictures = self.thumbnails.add(number, known, store.frames)
        value["frames"] = [_frame(ref, self.thumbnails, store.frames) for ref in frames.refs]
        value["reel"] = self._reel(trajectory, number)
        self.chunks.append(value, pictures)

    def _reel(self, trajectory: Trajectory, number: int) -> str | None:
        """Write the reel; its place, seen from the page's folder."""
        if self._reels is None:
            return None
        from eva_graph.viewer.reel import episode_reel

        path = episode_reel(trajectory, self._reels / f"{number}.mp4")
        return f"./{quote(os.fsencode(self._reels.name))}/{path.name}" if path else None


def _frame(ref: FrameRef | None, thumbnails: Thumbnails, store: FrameStore) -> dict[str, Any]:
    if ref is None:
        return {"thumbnail": None}
    return {
        "pts_seconds": ref.pts_seconds,
        "width": ref.width,
        "height": ref.height,
        "box": ref.box,
        "sha256": ref.sha256,
        "thumbnail": thumbnails.place(ref),
        "file": store.path(ref).relative_to(store.root).as_posix(),
    }


def _described(stores: Sequence[RunStore], out: Path | None) -> list[dict[str, Any]]:
    """Name of each run, and where its frames lie, seen from the page's folder if there is one."""
    described = []
    for store in stores:
        frames = None if out is None else _from(out.parent, store.frames.root)
        described.append({"name": store.run.resolve().name, "frames": frames})
    return described


def _from(folder: Path, target: Path) -> str | None:
    """Address of a folder, seen from another one; None where they lie on different drives."""
    try:
        steps = Path(os.path.relpath(target, folder)).as_posix()
    except ValueError:
        return None
    return f"./{quote(os.fsencode(steps))}/"


def _size(page: Path, *, in_folder: bool) -> int:
    files = page.parent.rglob("*") if in_folder else [page]
    return sum(path.stat().st_size for path in files if path.is_file())
