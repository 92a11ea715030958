"""Indices kept on disk, so that a file is scanned once and not once per process.

An index is found by its video's identity and the file's time of change. Entries are written whole
or not at all, and hold plain numbers under a checksum: one that is damaged, of another version or
not a possible index is as good as none. The folder is bounded; what was unused for longest goes.

The folder is `indices` in the user's cache. The environment variable `EVA_GRAPH_INDEX_CACHE` names
another one; set to nothing it turns the cache off.
"""

import hashlib
import json
import os
import tempfile
import zlib
from contextlib import suppress
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import platformdirs

from eva_graph_tools.index import FrameIndex, Ticks

CACHE_VARIABLE = "EVA_GRAPH_INDEX_CACHE"
_FORMAT = f"eva-graph index 1, av {av.__version__}\n".encode()
_MAX_BYTES = 256 * 1024**2
_MAX_PACKETS = 50_000_000
_KEPT_FRACTION = 0.9
_SUFFIX = ".index"
_DIGEST_BYTES = 32


def cache_folder() -> Path | None:
    """Where indices are kept; None where they are not."""
    named = os.environ.get(CACHE_VARIABLE)
    if named is None:
        return platformdirs.user_cache_path("eva-graph") / "indices"
    return Path(named) if named else None


def load_index(folder: Path, video_id: str, file: Path) -> FrameIndex | None:
    """The kept index of a file as it is now, or None."""
    try:
        path = _path(folder, video_id, file)
        index = _unpack(path.read_bytes())
        os.utime(path)
    except (OSError, ValueError, KeyError, TypeError, ZeroDivisionError, zlib.error):
        return None
    return index


def keep_index(folder: Path, video_id: str, file: Path, index: FrameIndex) -> None:
    """Keep an index. Where the folder cannot be written nothing is kept, and nothing is wrong."""
    with suppress(OSError):
        path = _path(folder, video_id, file)
        folder.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=folder, suffix=".tmp")
        try:
            with os.fdopen(handle, "wb") as target:
                target.write(_pack(index))
            Path(name).replace(path)
        finally:
            Path(name).unlink(missing_ok=True)
        _drop_oldest(folder)


def _path(folder: Path, video_id: str, file: Path) -> Path:
    changed = file.stat().st_mtime_ns
    name = hashlib.sha256(f"{video_id} {changed}".encode()).hexdigest()
    return folder / f"{name}{_SUFFIX}"


def _pack(index: FrameIndex) -> bytes:
    header = {
        "packets": len(index.pts),
        "shown": len(index.order),
        "time_base": [index.time_base.numerator, index.time_base.denominator],
        "last_duration": index.last_duration,
        "counted": index.counted,
        "stamped": index.stamped,
        "broken": index.broken,
    }
    columns = (index.pts, index.dts, index.order)
    body = b"".join(np.diff(column, prepend=0).astype("<i8").tobytes() for column in columns)
    packed = zlib.compress(body + np.packbits(index.key).tobytes(), 1)
    content = json.dumps(header).encode() + b"\n" + packed
    return _FORMAT + hashlib.sha256(content).digest() + content


def _unpack(data: bytes) -> FrameIndex:
    content = data[len(_FORMAT) + _DIGEST_BYTES :]
    digest = data[len(_FORMAT) : len(_FORMAT) + _DIGEST_BYTES]
    if not data.startswith(_FORMAT) or hashlib.sha256(content).digest() != digest:
        raise ValueError("not an index of this version")
    line, _, packed = content.partition(b"\n")
    header: dict[str, Any] = json.loads(line)
    packets, shown = int(header["packets"]), int(header["shown"])
    if not 1 <= shown <= packets <= _MAX_PACKETS:
        raise ValueError("not a possible index")
    size = 8 * (2 * packets + shown) + -(-packets // 8)
    body = zlib.decompressobj().decompress(packed, size)
    if len(body) != size:
        raise ValueError("not a possible index")
    ticks = np.frombuffer(body, "<i8", 2 * packets + shown)
    pts, dts, order = (
        np.cumsum(part, dtype=np.int64) for part in np.split(ticks, (packets, 2 * packets))
    )
    bits = np.frombuffer(body, np.uint8, offset=8 * len(ticks))
    return _checked(
        FrameIndex(
            time_base=Fraction(*header["time_base"]),
            pts=pts,
            dts=dts,
            key=np.unpackbits(bits, count=packets).astype(np.bool_),
            order=order,
            shown_pts=_taken(pts, order),
            last_duration=int(header["last_duration"]),
            counted=bool(header["counted"]),
            stamped=bool(header["stamped"]),
            broken=bool(header["broken"]),
        )
    )


def _taken(pts: Ticks, order: Ticks) -> Ticks:
    if order.min() < 0 or order.max() >= len(pts):
        raise ValueError("not a possible index")
    return pts[order]


def _checked(index: FrameIndex) -> FrameIndex:
    ascending = bool(np.all(np.diff(index.shown_pts) > 0))
    if not (ascending and index.key[0] and index.time_base > 0 and index.last_duration > 0):
        raise ValueError("not a possible index")
    return index


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
