"""Names of the video files below a folder, within bounds, without opening one.

No symbolic link is followed, so nothing is named that `media_root.within` would refuse for where it
lies. Names that are no plain text are passed over: they could not be asked for in a line of text.
"""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from eva_graph_tools.errors import EvaGraphError

VIDEO_SUFFIXES = frozenset(
    f".{ending}"
    for ending in (
        *("3gp", "avi", "flv", "m2ts", "m4v", "mkv", "mov", "mp4"),
        *("mpeg", "mpg", "mts", "ogv", "ts", "webm", "wmv"),
    )
)
MAX_LISTED = 200
_MAX_ENTRIES = 50_000


@dataclass(frozen=True, slots=True, kw_only=True)
class VideoFile:
    """A file with a video's suffix; whether it is one, opening it tells.

    Attributes:
        name: path relative to the folder, with forward slashes.
        size_bytes: of the file.
    """

    name: str
    size_bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class VideoListing:
    """Files in order of their names; `complete` is false where a bound was met."""

    files: tuple[VideoFile, ...]
    complete: bool


def list_videos(root: str | os.PathLike[str], *, contains: str = "") -> VideoListing:
    """The videos below a folder, at most `MAX_LISTED`.

    Args:
        root: the folder.
        contains: only those whose relative path holds this text, in whatever case.

    Raises:
        EvaGraphError: the root is no folder.
    """
    base = Path(root)
    if not base.is_dir():
        raise EvaGraphError(f"{root}: no such media folder, check the path")
    found: list[VideoFile] = []
    seen = 0
    for entry in _entries(base):
        seen += 1
        if seen > _MAX_ENTRIES or len(found) > MAX_LISTED:
            break
        name = Path(entry.path).relative_to(base).as_posix()
        suffixed = Path(entry.name).suffix.lower() in VIDEO_SUFFIXES
        if suffixed and name.isprintable() and contains.casefold() in name.casefold():
            found.append(VideoFile(name=name, size_bytes=_size(entry)))
    complete = seen <= _MAX_ENTRIES and len(found) <= MAX_LISTED
    return VideoListing(files=tuple(found[:MAX_LISTED]), complete=complete)


def _entries(folder: Path) -> Iterator["os.DirEntry[str]"]:
    """Regular files below a folder, each folder's files first, in order of their names."""
    try:
        with os.scandir(folder) as opened:
            here = [entry for entry, _ in zip(opened, range(_MAX_ENTRIES), strict=False)]
    except OSError:
        return  # gone or closed to us: it shows nothing
    here.sort(key=lambda entry: entry.name)
    yield from (entry for entry in here if entry.is_file(follow_symlinks=False))
    for entry in here:
        if entry.is_dir(follow_symlinks=False):
            yield from _entries(Path(entry.path))


def _size(entry: "os.DirEntry[str]") -> int:
    try:
        return entry.stat(follow_symlinks=False).st_size
    except OSError:
        return 0  # deleted while we looked; opening it will say so
