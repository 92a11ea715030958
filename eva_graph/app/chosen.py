"""The video that somebody chose: checked, opened, and shown as a strip of small pictures.

A broken file is told here, before any question is asked.
"""

from __future__ import annotations

import base64
import io
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from PIL import Image

from eva_graph.app.samples import Sample
from eva_graph_tools import Frame, Video
from eva_graph_tools.media_root import within

STRIP_FRAMES = 12
_STRIP_PIXELS = 240
_STRIP_QUALITY = 60


@dataclass(frozen=True, slots=True, kw_only=True)
class ChosenVideo:
    """A video that can be asked about."""

    path: Path
    """Below `root`, without links."""
    root: Path
    name: str
    """What the page calls it; never where it lies."""
    duration_seconds: float
    width: int
    height: int
    strip: tuple[tuple[float, str], ...]
    """Seconds and data URI of frames spread over the video."""
    sample: Sample | None = None

    def to_json(self) -> dict[str, Any]:
        """What the page shows of it."""
        return {
            "name": self.name,
            "duration_seconds": self.duration_seconds,
            "width": self.width,
            "height": self.height,
            "strip": [list(one) for one in self.strip],
            "expected": None if self.sample is None else self.sample.expected,
        }


def choose(
    path: Path,
    root: Path,
    name: str,
    *,
    timeout_seconds: float,
    isolated: bool = True,
    sample: Sample | None = None,
) -> ChosenVideo:
    """Open a video below a folder.

    Args:
        path: absolute, or relative to `root`.
        name: what to call it.
        timeout_seconds: how long opening, and taking the strip, may take.
        isolated: read it in a worker process.

    Raises:
        ToolError: it lies elsewhere, or is no video that can be decoded; one line.
    """
    file = within(path, root)
    with Video.open(
        file, isolated=isolated, media_root=root, timeout_seconds=timeout_seconds
    ) as video:
        info = video.info
        frames = video.frame_select(
            0,
            info.duration_seconds,
            nframes=STRIP_FRAMES,
            resize=min(1.0, _STRIP_PIXELS / max(info.width, info.height)),
            timeout_seconds=timeout_seconds,
        )
        return ChosenVideo(
            path=file,
            root=root,
            name=name,
            duration_seconds=info.duration_seconds,
            width=info.width,
            height=info.height,
            strip=tuple((frame.pts_seconds, _data_uri(frame)) for frame in frames),
            sample=sample,
        )


def _data_uri(frame: Frame) -> str:
    picture = frame.to_pil()
    picture.thumbnail((_STRIP_PIXELS, _STRIP_PIXELS), Image.Resampling.LANCZOS)
    buffer = io.BytesIO()
    picture.save(buffer, "WEBP", quality=_STRIP_QUALITY, method=2)
    return f"data:image/webp;base64,{base64.b64encode(buffer.getvalue()).decode('ascii')}"
