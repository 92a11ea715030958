"""Subtitle files beside a video, or given by name: found, read within bounds, and parsed.

Those that are found are regular files in the video's own folder, reached without a link. Nothing
else is ever opened.
"""

import os
import re
import stat
from pathlib import Path

from eva_graph_tools.errors import UnsupportedMedia
from eva_graph_tools.subtitles.ass import parse_ass
from eva_graph_tools.subtitles.cues import Cue
from eva_graph_tools.subtitles.timed_text import parse_timed_text

MAX_SIDECAR_BYTES = 32 * 1024**2
MAX_SIDECARS = 32
SUFFIXES = (".srt", ".vtt", ".ass", ".ssa")
_MAX_ENTRIES = 100_000
_BYTE_ORDER_MARKS = {
    b"\xef\xbb\xbf": "utf-8-sig",
    b"\xff\xfe": "utf-16",
    b"\xfe\xff": "utf-16",
}
_QUALIFIERS = re.compile(r"(?:\.[A-Za-z0-9_\-]{1,20}){0,3}", re.ASCII)


def find_sidecars(video: Path) -> list[Path]:
    """Subtitle files of a video: `talk.srt`, `talk.en.vtt`, … beside `talk.mp4`.

    Those without a language come first, then by name; at most `MAX_SIDECARS`.
    """
    found: list[tuple[str, Path]] = []
    try:
        with os.scandir(video.parent) as entries:
            for entry, _ in zip(entries, range(_MAX_ENTRIES), strict=False):
                if not entry.name.startswith(video.stem):
                    continue
                path = video.parent / entry.name
                qualifiers = path.stem.removeprefix(video.stem)
                named = path.suffix.lower() in SUFFIXES and _QUALIFIERS.fullmatch(qualifiers)
                if named and entry.is_file(follow_symlinks=False):
                    found.append((qualifiers, path))
    except OSError:
        return []  # a folder that cannot be listed shows no subtitles
    return [path for _, path in sorted(found)[:MAX_SIDECARS]]


def check_sidecar(path: Path) -> Path:
    """The path of a subtitle file that somebody gave, before anything of it is read.

    Raises:
        UnsupportedMedia: no regular file, too large, or of another kind.
    """
    if path.suffix.lower() not in SUFFIXES:
        raise UnsupportedMedia(
            f"{path.name}: not a subtitle file, give one that ends in {', '.join(SUFFIXES)}"
        )
    try:
        status = path.stat()
    except (OSError, ValueError) as error:
        raise _missing(path) from error
    if not stat.S_ISREG(status.st_mode):
        raise UnsupportedMedia(f"{path.name}: not a regular file")
    if status.st_size > MAX_SIDECAR_BYTES:
        raise _too_large(path)
    return path


def read_sidecar(path: Path, *, follow_links: bool) -> tuple[list[Cue], int]:
    """Cues of a subtitle file on its own clock, and how many could not be read.

    Raises:
        UnsupportedMedia: no regular file any more, or too large.
    """
    text = decoded(_bounded(path, follow_links=follow_links))
    if path.suffix.lower() in (".ass", ".ssa"):
        return parse_ass(text)
    return parse_timed_text(text)


def decoded(data: bytes) -> str:
    """Text of a subtitle file: its byte order mark counts, else UTF-8, else Western European."""
    for mark, encoding in _BYTE_ORDER_MARKS.items():
        if data.startswith(mark):
            return data.decode(encoding, "replace")
    if b"\0" in data[:200]:
        return data.decode("utf-16-le" if data[1:2] == b"\0" else "utf-16-be", "replace")
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        return data.decode("cp1252", "replace")


def _bounded(path: Path, *, follow_links: bool) -> bytes:
    links = 0 if follow_links else getattr(os, "O_NOFOLLOW", 0)
    try:
        handle = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | links)
    except (OSError, ValueError) as error:
        raise _missing(path) from error
    with os.fdopen(handle, "rb") as file:
        if not stat.S_ISREG(os.fstat(handle).st_mode):
            raise UnsupportedMedia(f"{path.name}: not a regular file")
        data = file.read(MAX_SIDECAR_BYTES + 1)
    if len(data) > MAX_SIDECAR_BYTES:
        raise _too_large(path)
    return data


def _missing(path: Path) -> UnsupportedMedia:
    return UnsupportedMedia(f"{path.name}: no such subtitle file, check the path")


def _too_large(path: Path) -> UnsupportedMedia:
    return UnsupportedMedia(
        f"{path.name}: subtitle files of more than {MAX_SIDECAR_BYTES >> 20} MiB are not read"
    )
