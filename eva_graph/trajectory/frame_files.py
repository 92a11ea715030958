"""Whether a stored frame is what the rollout saw: there, unchanged, decodable, sized, not blank.

A frame is blank if its whole picture is one flat colour, whichever: that is what a lost image, an
empty buffer or a broken decoder leave. Videos do fade to black, so a blank frame is sound where the
video is at hand and gives the same bytes again at that time; elsewhere it is a violation that a
person may allow.
"""

from __future__ import annotations

import hashlib
import io

import numpy as np
from PIL import Image, UnidentifiedImageError

from eva_graph.trajectory.violations import ViolationKind
from eva_graph.videos import OpenVideos
from eva_graph_tools import FrameMissing, FrameRef, FrameStore, ToolError, restore

FLAT_LEVELS = 3
"""A picture whose every channel stays within so many of 255 levels is one flat colour: a JPEG of a
flat colour does, a dark scene with its sensor's noise does not."""
_FORMATS = {"image/jpeg": "JPEG", "image/png": "PNG"}
_REMEMBERED_FRAMES = 200_000
_BLANK = (
    "{uri} is one flat colour, and its video cannot show that it should be: "
    f"put {{video}} back, or allow {ViolationKind.BLANK}"
)

Fault = tuple[ViolationKind, str]


class FrameFiles:
    """Checks stored frames, each distinct one once."""

    def __init__(self, store: FrameStore) -> None:
        self._store = store
        self._videos = OpenVideos()
        self._checked: dict[tuple[str, int, int], Fault | None] = {}

    def fault(self, ref: FrameRef, video_path: str) -> Fault | None:
        """What is wrong with a frame; None where nothing is.

        Args:
            ref: the frame as the record names it.
            video_path: where its video lay when it was recorded.
        """
        key = (ref.sha256, ref.width, ref.height)
        if key not in self._checked:
            if len(self._checked) >= _REMEMBERED_FRAMES:
                self._checked.clear()
            self._checked[key] = self._fault(ref, video_path)
        return self._checked[key]

    def _fault(self, ref: FrameRef, video_path: str) -> Fault | None:
        try:
            data = self._store.path(ref).read_bytes()
        except OSError:
            return ViolationKind.MISSING, f"{ref.uri} is not in {self._store.root}"
        if hashlib.sha256(data).hexdigest() != ref.sha256:
            return ViolationKind.CHANGED, f"the file of {ref.uri} has other bytes"
        try:
            with Image.open(io.BytesIO(data), formats=[_FORMATS[ref.media_type]]) as image:
                pixels = np.asarray(image.convert("RGB"))
        except (UnidentifiedImageError, OSError, ValueError, SyntaxError) as error:
            return ViolationKind.UNDECODABLE, f"{ref.uri} is no {ref.media_type}: {error}"
        height, width = pixels.shape[:2]
        if (width, height) != (ref.width, ref.height):
            recorded = f"recorded as {ref.width}x{ref.height}"
            return ViolationKind.SIZE, f"{ref.uri} is {width}x{height}, {recorded}"
        if is_flat(pixels) and not self._video_shows(ref, video_path):
            return ViolationKind.BLANK, _BLANK.format(uri=ref.uri, video=video_path)
        return None

    def _video_shows(self, ref: FrameRef, video_path: str) -> bool:
        try:
            with self._videos.use(video_path) as video:
                restore(self._store, ref, video)
        except (ToolError, FrameMissing):
            return False
        return True


def is_flat(pixels: np.ndarray) -> bool:
    """Whether a picture (height x width x 3, uint8) is one colour, give or take `FLAT_LEVELS`."""
    spread = pixels.max(axis=(0, 1)).astype(int) - pixels.min(axis=(0, 1))
    return bool((spread <= FLAT_LEVELS).all())
