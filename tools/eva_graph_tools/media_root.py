"""A folder that videos may come from: nothing outside it is opened, whatever a path says.

For surfaces that take paths from people or programs they do not trust. Every refusal reads the
same, so that nobody learns which files exist elsewhere.

What is checked is a path, and FFmpeg opens it again by name. Whoever can replace folders *inside
the root* at the moment of opening may still win that race; `Video.open` checks once more after it
has opened the file, which leaves an attacker two changes to time. Give people a root that they
cannot write to, or copy what they upload.
"""

import os
import stat
from pathlib import Path

from eva_graph_tools.errors import EvaGraphError, UnsupportedMedia

_SHOWN_CHARACTERS = 120


def within(path: str | os.PathLike[str], root: str | os.PathLike[str]) -> Path:
    """The real path of a regular file below a folder; symbolic links inside it are followed.

    Args:
        path: below `root`: relative to it, or absolute. Never an address: "http://…" or
            "concat:…" are names of files, and there are none of that name.
        root: an existing folder, itself reached by whatever links its owner made.

    Raises:
        UnsupportedMedia: no regular file below the root: it is missing, lies elsewhere, is reached
            by `..` or by a link that leaves the root, is a folder, pipe, device or socket.
        EvaGraphError: the root is no folder.
    """
    asked = os.fspath(path)
    base = _folder(root)
    try:
        if ".." in Path(asked).parts:
            raise _refusal(asked)
        real = Path(os.path.realpath(base / asked, strict=True))
        if real.is_relative_to(base) and _is_regular(real, base):
            return real
    except (OSError, ValueError):  # missing, a loop of links, a null byte
        raise _refusal(asked) from None
    raise _refusal(asked)


def still_within(found: Path, path: str | os.PathLike[str], root: str | os.PathLike[str]) -> bool:
    """Whether `within` finds the same file as before."""
    try:
        return within(path, root) == found
    except EvaGraphError:
        return False


def _folder(root: str | os.PathLike[str]) -> Path:
    try:
        base = Path(os.path.realpath(root, strict=True))
    except (OSError, ValueError) as error:
        raise EvaGraphError(f"{root}: no such media folder, check the path") from error
    if not base.is_dir():
        raise EvaGraphError(f"{root}: the media root is not a folder")
    return base


def _is_regular(real: Path, base: Path) -> bool:
    """Whether a path without links names a regular file, seen without following any.

    Walks from the root down, so that a link put in place of a folder since then is noticed.
    """
    if os.open not in os.supports_dir_fd or real == base:
        return stat.S_ISREG(real.lstat().st_mode)
    *folders, name = real.relative_to(base).parts
    opened = os.open(base, os.O_RDONLY | os.O_DIRECTORY)
    try:
        for folder in folders:
            inner = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW, dir_fd=opened)
            os.close(opened)
            opened = inner
        return stat.S_ISREG(os.stat(name, dir_fd=opened, follow_symlinks=False).st_mode)
    finally:
        os.close(opened)


def _refusal(asked: str) -> UnsupportedMedia:
    return UnsupportedMedia(f"{asked[:_SHOWN_CHARACTERS]}: no such file in the media folder")
