"""Pictures that a server is shown, made in memory; all have sides that every common patch divides.

A chequered small one takes more bytes than a plain large one: a server that takes an image for text
finds the small one longer, a server that looks finds the large one longer.
"""

from __future__ import annotations

import hashlib
import io
import random
from collections.abc import Callable

from PIL import Image

from eva_graph_tools import FrameMissing, FrameRef

SMALL_PIXELS = 224
LARGE_PIXELS = 448
_CELL_PIXELS = 4


class Pictures:
    """Square PNG pictures by their references."""

    def __init__(self) -> None:
        self._bytes: dict[str, bytes] = {}
        self.small = self._put(_chequered(SMALL_PIXELS))
        self.large = self._put(Image.new("RGB", (LARGE_PIXELS, LARGE_PIXELS), "navy"))

    def several(self, count: int) -> list[FrameRef]:
        """Different pictures of the small size."""
        size = (SMALL_PIXELS, SMALL_PIXELS)
        return [
            self._put(Image.new("RGB", size, f"hsl({360 * number // count}, 80%, 50%)"))
            for number in range(count)
        ]

    @property
    def load(self) -> Callable[[FrameRef], bytes]:
        """The `load_frame` of requests that show these pictures."""
        return self._load

    def _load(self, ref: FrameRef) -> bytes:
        if ref.sha256 not in self._bytes:
            raise FrameMissing(f"{ref.uri} is none of the probe's pictures")
        return self._bytes[ref.sha256]

    def _put(self, picture: Image.Image) -> FrameRef:
        buffer = io.BytesIO()
        picture.save(buffer, "PNG")
        sha256 = hashlib.sha256(buffer.getvalue()).hexdigest()
        self._bytes[sha256] = buffer.getvalue()
        return FrameRef(
            sha256=sha256,
            media_type="image/png",
            encoding="png",
            width=picture.width,
            height=picture.height,
            video_id="probe",
            pts_seconds=0.0,
        )


def _chequered(pixels: int) -> Image.Image:
    cells = pixels // _CELL_PIXELS
    grey = random.Random(0).choices((0, 255), k=cells * cells)
    picture = Image.frombytes("L", (cells, cells), bytes(grey))
    return picture.resize((pixels, pixels), Image.Resampling.NEAREST).convert("RGB")
