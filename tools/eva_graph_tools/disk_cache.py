"""Small files kept between processes: found again whole or not at all, in a bounded folder.

An entry stands behind its format's name and a checksum: one that is damaged or of another format is
as good as none. It is written beside its place and moved there. Where the folder grows too large,
what was unused for longest goes.
"""

import hashlib
import os
import tempfile
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

import platformdirs

MAX_BYTES = 256 * 1024**2
_KEPT_FRACTION = 0.9
_DIGEST_BYTES = 32


def cache_folder(name: str, variable: str) -> Path | None:
    """A folder of the user's cache, or the one that an environment variable names.

    None where the variable is set to nothing: then nothing is kept.
    """
    named = os.environ.get(variable)
    if named is None:
        return platformdirs.user_cache_path("eva-graph") / name
    return Path(named) if named else None


def entry_path(folder: Path, file: Path, facts: Sequence[str], suffix: str) -> Path:
    """Where an entry about a file as it is now lies. Raises `OSError` where it is gone."""
    named = " ".join([facts[0], str(file.stat().st_mtime_ns), *facts[1:]])
    return folder / f"{hashlib.sha256(named.encode()).hexdigest()}{suffix}"


def read_entry(path: Path, entry_format: bytes) -> bytes:
    """The content of an entry, which now counts as used.

    Raises:
        OSError: there is none.
        ValueError: it is damaged, or of another format.
    """
    data = path.read_bytes()
    start = len(entry_format) + _DIGEST_BYTES
    content, digest = data[start:], data[len(entry_format) : start]
    if not data.startswith(entry_format) or hashlib.sha256(content).digest() != digest:
        raise ValueError("not an entry of this format")
    os.utime(path)
    return content


def write_entry(path: Path, entry_format: bytes, content: bytes) -> None:
    """Keep an entry. Raises `OSError` where the folder cannot be written."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, suffix=".tmp")
    try:
        with os.fdopen(handle, "wb") as target:
            target.write(entry_format + hashlib.sha256(content).digest() + content)
        Path(name).replace(path)
    finally:
        Path(name).unlink(missing_ok=True)
    _drop_oldest(path.parent)


def _drop_oldest(folder: Path) -> None:
    entries = []
    for path in folder.iterdir():
        with suppress(FileNotFoundError):  # another process dropped it
            if path.is_file():
                entries.append((path.stat(), path))
    total = sum(status.st_size for status, _ in entries)
    if total <= MAX_BYTES:
        return
    for status, path in sorted(entries, key=lambda entry: entry[0].st_mtime):
        if total <= MAX_BYTES * _KEPT_FRACTION:
            return
        path.unlink(missing_ok=True)
        total -= status.st_size
