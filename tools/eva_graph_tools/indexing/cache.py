"""Indices kept on disk, so that a file is scanned once and not once per process.

An index is found by its video's identity and the file's time of change, and holds plain numbers:
what is not a possible index is as good as none (`eva_graph_tools.disk_cache`).

The folder is `indices` in the user's cache. The environment variable `EVA_GRAPH_INDEX_CACHE` names
another one; set to nothing it turns the cache off.
"""

import json
import zlib
from contextlib import suppress
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np

from eva_graph_tools import disk_cache
from eva_graph_tools.index import FrameIndex, Ticks

CACHE_VARIABLE = "EVA_GRAPH_INDEX_CACHE"
_FORMAT = f"eva-graph index 1, av {av.__version__}\n".encode()
_MAX_PACKETS = 50_000_000
_SUFFIX = ".index"


def cache_folder() -> Path | None:
    """Where indices are kept; None where they are not."""
    return disk_cache.cache_folder("indices", CACHE_VARIABLE)


def load_index(folder: Path, video_id: str, file: Path) -> FrameIndex | None:
    """The kept index of a file as it is now, or None."""
    try:
        path = disk_cache.entry_path(folder, file, [video_id], _SUFFIX)
        return _unpack(disk_cache.read_entry(path, _FORMAT))
    except (OSError, ValueError, KeyError, TypeError, ZeroDivisionError, zlib.error):
        return None


def keep_index(folder: Path, video_id: str, file: Path, index: FrameIndex) -> None:
    """Keep an index. Where the folder cannot be written nothing is kept, and nothing is wrong."""
    with suppress(OSError):
        path = disk_cache.entry_path(folder, file, [video_id], _SUFFIX)
        disk_cache.write_entry(path, _FORMAT, _pack(index))


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
    return json.dumps(header).encode() + b"\n" + packed


def _unpack(content: bytes) -> FrameIndex:
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
