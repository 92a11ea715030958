"""Small pictures of stored frames: WebP, at most 160 pixels on the long side and 2,048 bytes.

The two bounds together bound the page: 40,000 of them in base64 take 109 MB. Reading never changes
a run: a frame that is gone, damaged or not its own hash gives no thumbnail, and stays as it is.
"""

from __future__ import annotations

import base64
import hashlib
import io
import os
import struct
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor

from PIL import Image

from eva_graph_tools import FrameRef, FrameStore

LONG_SIDE_PIXELS = 160
MAX_BYTES = 2048
_STEPS = ((160, 70), (160, 50), (160, 30), (160, 15), (112, 15), (80, 10), (48, 10))
"""Long side and quality, until the bytes fit; the last always does."""

_UNREADABLE = (
    OSError,
    ValueError,
    SyntaxError,
    EOFError,
    struct.error,
    Image.DecompressionBombError,
)
"""What Pillow raises for files that are none of its pictures, or damaged ones."""

Place = tuple[int, int]
"""Number of the chunk that holds a thumbnail, and its position there."""


class Thumbnails:
    """Where each distinct frame's thumbnail lies in the page; safe for one thread."""

    def __init__(self) -> None:
        self._places: dict[str, Place] = {}
        self._pool = ThreadPoolExecutor(max_workers=os.cpu_count() or 1)
        self._missing: set[str] = set()

    def add(self, chunk: int, refs: Iterable[FrameRef], store: FrameStore) -> list[str]:
        """Base64 of the thumbnails that no earlier chunk holds, in the order of their positions."""
        fresh = list({ref.sha256: ref for ref in refs if ref.sha256 not in self._places}.values())
        made = self._pool.map(lambda ref: thumbnail(ref, store), fresh)
        texts: list[str] = []
        for ref, data in zip(fresh, made, strict=True):
            if data is None:
                self._missing.add(ref.sha256)
                continue
            self._missing.discard(ref.sha256)
            self._places[ref.sha256] = (chunk, len(texts))
            texts.append(base64.b64encode(data).decode("ascii"))
        return texts

    @property
    def missing(self) -> int:
        """How many frames no run holds."""
        return len(self._missing)

    def place(self, ref: FrameRef) -> Place | None:
        """Where the frame's thumbnail lies; None where the frame is missing."""
        return self._places.get(ref.sha256)

    def __len__(self) -> int:
        return len(self._places)

    def close(self) -> None:
        """End the threads."""
        self._pool.shutdown()


def thumbnail(ref: FrameRef, store: FrameStore) -> bytes | None:
    """WebP bytes of a stored frame, or None where it is missing, damaged or another one."""
    try:
        data = store.path(ref).read_bytes()
        if hashlib.sha256(data).hexdigest() != ref.sha256:
            return None
        with Image.open(io.BytesIO(data), formats=("JPEG", "PNG")) as stored:
            stored.draft("RGB", (2 * LONG_SIDE_PIXELS, 2 * LONG_SIDE_PIXELS))
            picture = stored.convert("RGB")
    except _UNREADABLE:
        return None
    return _within_bounds(picture)


def _within_bounds(picture: Image.Image) -> bytes:
    data = b""
    for long_side, quality in _STEPS:
        picture.thumbnail((long_side, long_side), Image.Resampling.LANCZOS, reducing_gap=2.0)
        buffer = io.BytesIO()
        picture.save(buffer, "WEBP", quality=quality, method=2)
        data = buffer.getvalue()
        if len(data) <= MAX_BYTES:
            break
    return data
