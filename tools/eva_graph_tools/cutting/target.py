"""Where a cut is written: complete or not at all, and never over another file unasked.

The caller owns the target, also when a worker process does the writing: what an interrupted writer
leaves behind is removed here.
"""

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from eva_graph_tools.errors import InvalidArguments, StoreError


@contextmanager
def new_file(path: Path, *, source: Path, overwrite: bool) -> Iterator[Path]:
    """A path beside `path`, of the same suffix, to write to; it becomes `path` at the end.

    Whatever fails within leaves nothing behind.

    Raises:
        InvalidArguments: the folder does not exist, or the file does and may not be replaced.
        StoreError: the folder cannot be written.
    """
    part = path.with_name(f".{secrets.token_hex(8)}{path.suffix}")
    try:
        _require_free(path, source, overwrite=overwrite)
        yield part
        _publish(part, path, overwrite=overwrite)
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise StoreError(f"{path} cannot be written ({reason})") from error
    finally:
        part.unlink(missing_ok=True)


def _require_free(path: Path, source: Path, *, overwrite: bool) -> None:
    if "\0" in str(path):
        raise InvalidArguments(f"{path}: file names cannot hold a null character")
    if not path.parent.is_dir():
        raise InvalidArguments(f"{path.parent}: no such folder, create it first")
    if path.exists() and path.samefile(source):
        raise InvalidArguments(f"{path}: a video cannot be written over itself")
    if os.path.lexists(path) and not overwrite:
        raise _taken(path)


def _publish(part: Path, path: Path, *, overwrite: bool) -> None:
    if overwrite:
        part.replace(path)
        return
    try:
        path.hardlink_to(part)
    except FileExistsError:
        raise _taken(path) from None


def _taken(path: Path) -> InvalidArguments:
    return InvalidArguments(f"{path} exists already: choose another path, or overwrite=True")
