"""What was measured of a video, kept on disk, so that a second look for scenes decodes nothing.

An entry is found by the video's identity, the file's time of change and what was measured. Entries
are written whole or not at all and hold plain numbers under a checksum: one that is damaged or of
another version is as good as none. The folder is bounded; what was unused for longest goes.

The folder is `scenes` in the user's cache. The environment variable `EVA_GRAPH_SCENE_CACHE` names
another one; set to nothing it turns the cache off.
"""

import hashlib
import io
import os
import tempfile
import zipfile
from contextlib import suppress
from pathlib import Path

import av
import numpy as np
import platformdirs

from eva_graph_tools.reader import Array, Opened

Arrays = dict[str, Array]

_VARIABLE = "EVA_GRAPH_SCENE_CACHE"
_FORMAT = b"eva-graph scenes 2\n"
_MAX_BYTES = 256 * 1024**2
_KEPT_FRACTION = 0.9
_DIGEST_BYTES = 32


def load(opened: Opened, what: str) -> Arrays | None:
    """What was kept of a video under a name, or None; the name tells versions apart."""
    folder = _folder()
    if folder is None:
        return None
    try:
        path = _path(folder, opened, what)
        content = _verified(path.read_bytes())
        with np.load(io.BytesIO(content), allow_pickle=False) as arrays:
            found = dict(arrays)
        os.utime(path)
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile):
        return None
    return found


def keep(opened: Opened, what: str, arrays: Arrays) -> None:
    """Keep arrays. Where the folder cannot be written nothing is kept, and nothing is wrong."""
    folder = _folder()
    if folder is None:
        return
    buffer = io.BytesIO()
    np.savez_compressed(buffer, allow_pickle=False, **arrays)
    content = buffer.getvalue()
    with suppress(OSError):
        folder.mkdir(parents=True, exist_ok=True)
        path = _path(folder, opened, what)
        handle, name = tempfile.mkstemp(dir=folder, suffix=".tmp")
        try:
            with os.fdopen(handle, "wb") as target:
                target.write(_FORMAT + hashlib.sha256(content).digest() + content)
            Path(name).replace(path)
        finally:
            Path(name).unlink(missing_ok=True)
        _drop_oldest(folder)


def _folder() -> Path | None:
    named = os.environ.get(_VARIABLE)
    if named is None:
        return platformdirs.user_cache_path("eva-graph") / "scenes"
    return Path(named) if named else None


def _path(folder: Path, opened: Opened, what: str) -> Path:
    changed = opened.path.stat().st_mtime_ns
    facts = f"{opened.video_id} {changed} {what} av {av.__version__}"
    return folder / f"{hashlib.sha256(facts.encode()).hexdigest()}.npz"


def _verified(data: bytes) -> bytes:
    digest = data[len(_FORMAT) : len(_FORMAT) + _DIGEST_BYTES]
    content = data[len(_FORMAT) + _DIGEST_BYTES :]
    if not data.startswith(_FORMAT) or hashlib.sha256(content).digest() != digest:
        raise ValueError("not an entry of this version")
    return content


def _drop_oldest(folder: Path) -> None:
    entries = [(path.stat(), path) for path in folder.iterdir() if path.is_file()]
    total = sum(status.st_size for status, _ in entries)
    if total <= _MAX_BYTES:
        return
    for status, path in sorted(entries, key=lambda entry: entry[0].st_mtime):
        if total <= _MAX_BYTES * _KEPT_FRACTION:
            return
        path.unlink(missing_ok=True)
        total -= status.st_size
