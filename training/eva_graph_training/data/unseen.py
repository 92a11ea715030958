"""Videos without questions, for new ones: plain folders, and HD-VILA's listings.

HD-VILA-100M lists a video a line, `{"video_id", "url", "clip": [{"clip_id", "span"}]}`; what was
cut lies under the clips' names, what was not under the video's id. Of a listing only what lies in
the folder counts; the rest is counted as missing.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from eva_graph.errors import InvalidRequest
from eva_graph.evaluation.benchmarks.annotation import needed
from eva_graph.evaluation.benchmarks.annotation_files import Row, read_rows
from eva_graph.evaluation.benchmarks.media_files import VIDEO_SUFFIXES, MediaFiles
from eva_graph.videos import OpenVideos
from eva_graph_training.data.tasks import drawn, video_id_of
from eva_graph_training.export.selection import Split


@dataclass(frozen=True, slots=True, kw_only=True)
class UnseenVideo:
    """A file, and the hash of its content."""

    path: str
    video_id: str


@dataclass(slots=True, kw_only=True)
class Unseen:
    """Videos to write questions on, in the order of the seed, and how many are none, by reason."""

    videos: list[UnseenVideo] = field(default_factory=list)
    left_out: Counter[str] = field(default_factory=Counter)


def video_files(folder: Path, listing: Path | None = None) -> tuple[list[Path], int]:
    """The videos below a folder, those of a listing where one is given, and how many are missing.

    Raises:
        InvalidRequest: no such folder or file, no video in it, or a line that names none.
    """
    files = MediaFiles(folder)
    if listing is None:
        found = sorted(path for path in folder.rglob("*") if path.suffix.lower() in VIDEO_SUFFIXES)
        missing = 0
    else:
        named = [list(_of_row(row, files)) for row in read_rows(listing)]
        found = [path for paths in named for path in paths]
        missing = sum(not paths for paths in named)
    if not found:
        raise InvalidRequest(f"{folder}: no video of {listing or 'any kind'} lies there")
    return list(dict.fromkeys(found)), missing


def unseen_videos(
    files: Iterable[Path],
    *,
    seen: Iterable[str],
    split: Split,
    videos: OpenVideos,
    advance: Callable[[], None] = lambda: None,
) -> Unseen:
    """Those of the files that are new and train, each content once.

    Args:
        files: where they lie.
        seen: content hashes of the videos that have questions.
        split: which videos train.
        videos: how they are opened.
        advance: called for every file.
    """
    unseen, known = Unseen(), set(seen)
    for path in files:
        advance()
        video_id = video_id_of(str(path), videos)
        reason = _refusal(video_id, known, split)
        if reason is not None or video_id is None:
            unseen.left_out[reason or ""] += 1
            continue
        known.add(video_id)
        unseen.videos.append(UnseenVideo(path=str(path), video_id=video_id))
    unseen.videos.sort(key=lambda video: drawn(split.seed, video.video_id))
    return unseen


def _refusal(video_id: str | None, known: set[str], split: Split) -> str | None:
    if video_id is None:
        return "the video cannot be read"
    if video_id in known:
        return "has questions already, or is there twice"
    return None if split.side(video_id) == "train" else "held out"


def _of_row(row: Row, files: MediaFiles) -> Iterator[Path]:
    """The clips of a line that lie in the folder, else the whole video."""
    clips = row.values.get("clip") or []
    if not isinstance(clips, list):
        raise row.fault("`clip` must be a list of clips")
    named = [clip.get("clip_id") for clip in clips if isinstance(clip, dict)]
    cut = [path for name in named if isinstance(name, str) and (path := files.video(name))]
    whole = None if cut else files.video(needed(row, "video_id"))
    yield from cut or ([whole] if whole else [])
