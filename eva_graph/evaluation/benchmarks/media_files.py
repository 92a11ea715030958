"""Finds a benchmark's videos and subtitles below one folder, by the names its annotation gives.

The folder is walked once. A name is a path below the folder, the end of a path from somebody
else's machine, a file name, or an id without extension. What a file names is never followed out
of the folder; where several files fit equally well none is taken, since a wrong video would be
scored in silence.
"""

from __future__ import annotations

import os
from collections import defaultdict
from pathlib import Path, PurePosixPath
from typing import Final

from eva_graph.errors import InvalidRequest
from eva_graph_tools.subtitles.sidecar import SUFFIXES as SUBTITLE_SUFFIXES

VIDEO_SUFFIXES: Final = (
    *(".3gp", ".avi", ".flv", ".m2ts", ".m4v", ".mkv", ".mov"),
    *(".mp4", ".mpeg", ".mpg", ".ogv", ".ts", ".webm", ".wmv"),
)
_SUBTITLE_TAILS: Final = ("", ".en", "_en")


class MediaFiles:
    """The videos and subtitle files below a folder, by name."""

    def __init__(self, folder: Path) -> None:
        """Walk the folder; links to folders are followed, each folder is entered once.

        Raises:
            InvalidRequest: there is no such folder.
        """
        if not folder.is_dir():
            raise InvalidRequest(f"{folder}: no such folder, give the one that holds the videos")
        self._folder = folder
        self._videos: dict[str, list[PurePosixPath]] = defaultdict(list)
        self._subtitles: dict[str, list[PurePosixPath]] = defaultdict(list)
        for path in _walk(folder):
            suffix = path.suffix.lower()
            if suffix in VIDEO_SUFFIXES:
                self._videos[path.stem].append(path)
            elif suffix in SUBTITLE_SUFFIXES:
                self._subtitles[path.stem].append(path)

    def video(self, name: str) -> Path | None:
        """The video file of a name, or None."""
        wanted = PurePosixPath(name.replace("\\", "/"))
        has_suffix = wanted.suffix.lower() in VIDEO_SUFFIXES
        found = self._videos.get(wanted.stem if has_suffix else wanted.name, [])
        best = _best(found, wanted)
        return None if best is None else self._folder / best

    def subtitles(self, video: str, named: str | None = None) -> Path | None:
        """The subtitle file that an annotation names, or that is named like the video."""
        stems = [PurePosixPath(named).stem] if named else []
        stem = PurePosixPath(video.replace("\\", "/"))
        own = stem.stem if stem.suffix.lower() in VIDEO_SUFFIXES else stem.name
        for candidate in [*stems, *(own + tail for tail in _SUBTITLE_TAILS)]:
            best = _best(self._subtitles.get(candidate, []), stem)
            if best is not None:
                return self._folder / best
        return None


def _walk(folder: Path) -> list[PurePosixPath]:
    found: list[PurePosixPath] = []
    entered: set[str] = set()
    for root, folders, files in os.walk(folder, followlinks=True):
        real = os.path.realpath(root)
        if real in entered:
            folders.clear()
            continue
        entered.add(real)
        folders.sort()
        below = PurePosixPath(Path(root).relative_to(folder).as_posix())
        found.extend(below / name for name in sorted(files))
    return found


def _best(found: list[PurePosixPath], wanted: PurePosixPath) -> PurePosixPath | None:
    """The one file that shares most of the path's end; None where there is no such one."""
    ranked = sorted(((_likeness(path, wanted), path) for path in found), reverse=True)
    if not ranked or (len(ranked) > 1 and ranked[0][0] == ranked[1][0]):
        return None
    return ranked[0][1]


def _likeness(path: PurePosixPath, wanted: PurePosixPath) -> tuple[int, bool, bool]:
    """Folders shared from the end, then the same extension, then lying where the path says."""
    shared = 0
    for mine, theirs in zip(path.parts[-2::-1], wanted.parts[-2::-1], strict=False):
        if mine != theirs:
            break
        shared += 1
    return shared, path.suffix.lower() == wanted.suffix.lower(), len(path.parts) == shared + 1
