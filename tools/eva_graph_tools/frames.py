"""Frames as values, their encoding, and the references that stand for them in messages.

A `Frame` holds pixels and never travels further than the call that decoded it. A `FrameRef` is
small and plain: it names the encoded bytes by hash and carries all that is needed to make them
again.
"""

import hashlib
import io
import math
import re
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
from PIL import Image

from eva_graph_tools.timecode import format_seconds

Box = tuple[float, float, float, float]

_URI_PREFIX = "frame://sha256:"
_ENCODING = re.compile(r"png|jpeg;q=([1-9]\d?|100)")
DEFAULT_ENCODING = "jpeg;q=90"


@dataclass(frozen=True, slots=True, kw_only=True, repr=False, eq=False)
class Frame:
    """One decoded frame.

    Attributes:
        pts_seconds: when it appears, from the first displayed frame.
        requested_seconds: the time that was asked for.
        snapped: a key frame near that time was taken in place of the frame on screen then.
        pixels: height x width x 3, uint8 RGB.
        box: the part of the picture shown, (x0, y0, x1, y1) as fractions; None: all of it.
    """

    pts_seconds: float
    requested_seconds: float
    snapped: bool = False
    pixels: npt.NDArray[np.uint8] = field(repr=False)
    box: Box | None = None

    @property
    def width(self) -> int:
        """Pixels."""
        return int(self.pixels.shape[1])

    @property
    def height(self) -> int:
        """Pixels."""
        return int(self.pixels.shape[0])

    def to_numpy(self) -> npt.NDArray[np.uint8]:
        """A copy of the pixels, height x width x 3, uint8 RGB."""
        return self.pixels.copy()

    def to_pil(self) -> Image.Image:
        """The picture as an RGB image."""
        return Image.fromarray(self.pixels)

    def __repr__(self) -> str:
        at = format_seconds(self.pts_seconds)
        note = ", snapped" if self.snapped else ""
        return f"Frame({self.width}x{self.height} at {at} s{note})"


@dataclass(frozen=True, slots=True, kw_only=True)
class FrameRef:
    """What stands for a stored frame in messages, checkpoints and trajectories.

    Attributes:
        sha256: hex digest of the encoded bytes.
        media_type: "image/jpeg" or "image/png".
        width, height: pixels.
        video_id: the video's content identity, `Video.video_id`.
        pts_seconds: when the frame appears, from the first displayed frame.
        encoding: how the pixels were encoded, "jpeg;q=90" or "png".
        box: the part of the picture shown as fractions (x0, y0, x1, y1); None: all of it.
    """

    sha256: str
    media_type: str
    width: int
    height: int
    video_id: str
    pts_seconds: float
    encoding: str
    box: Box | None = None

    def __post_init__(self) -> None:
        if re.fullmatch(r"[0-9a-f]{64}", self.sha256) is None:
            raise ValueError(f"{self.sha256!r:.80} is not a sha256 hex digest")
        if media_type_of(self.encoding) != self.media_type:
            raise ValueError(f"{self.encoding!r} does not make {self.media_type!r}")
        if self.width < 1 or self.height < 1 or not math.isfinite(self.pts_seconds):
            raise ValueError("a frame reference needs a positive size and a finite time")

    @property
    def uri(self) -> str:
        """`frame://sha256:<hex>`."""
        return _URI_PREFIX + self.sha256

    def to_json(self) -> dict[str, Any]:
        """A plain dictionary for a message block or a record; `from_json` reads it."""
        return {
            "uri": self.uri,
            "media_type": self.media_type,
            "width": self.width,
            "height": self.height,
            "video_id": self.video_id,
            "pts_seconds": self.pts_seconds,
            "encoding": self.encoding,
            "box": list(self.box) if self.box is not None else None,
        }

    @classmethod
    def from_json(cls, value: dict[str, Any]) -> "FrameRef":
        """Read what `to_json` wrote.

        Raises:
            ValueError: a field is missing or malformed.
        """
        try:
            box = value.get("box")
            return cls(
                sha256=sha256_of_uri(value["uri"]),
                media_type=value["media_type"],
                width=int(value["width"]),
                height=int(value["height"]),
                video_id=value["video_id"],
                pts_seconds=float(value["pts_seconds"]),
                encoding=value["encoding"],
                box=None if box is None else (box[0], box[1], box[2], box[3]),
            )
        except (KeyError, TypeError, IndexError, AttributeError, OverflowError) as error:
            raise ValueError(f"not a frame reference: {error!r}") from error


def sha256_of_uri(uri: str) -> str:
    """Hex digest of a `frame://sha256:<hex>` address.

    Raises:
        ValueError: another kind of address.
    """
    if not uri.startswith(_URI_PREFIX):
        raise ValueError(f"{uri!r:.80} is not a frame address ({_URI_PREFIX}<hex>)")
    return uri.removeprefix(_URI_PREFIX)


def media_type_of(encoding: str) -> Literal["image/jpeg", "image/png"]:
    """Media type that an encoding makes.

    Raises:
        ValueError: not "png" or "jpeg;q=1" to "jpeg;q=100".
    """
    if _ENCODING.fullmatch(encoding) is None:
        raise ValueError(f'{encoding!r:.80} is not an encoding: use "jpeg;q=90" or "png"')
    return "image/png" if encoding == "png" else "image/jpeg"


def encode(frame: Frame, encoding: str = DEFAULT_ENCODING) -> bytes:
    """Encoded bytes of a frame: JPEG (4:2:0) of a quality, or PNG. Same pixels, same bytes."""
    buffer = io.BytesIO()
    if media_type_of(encoding) == "image/png":
        frame.to_pil().save(buffer, "PNG", compress_level=3)
    else:
        quality = int(encoding.partition("=")[2])
        frame.to_pil().save(buffer, "JPEG", quality=quality, subsampling="4:2:0")
    return buffer.getvalue()


def reference(frame: Frame, data: bytes, *, video_id: str, encoding: str) -> FrameRef:
    """The reference to `data`, the frame's bytes under `encoding`."""
    return FrameRef(
        sha256=hashlib.sha256(data).hexdigest(),
        media_type=media_type_of(encoding),
        width=frame.width,
        height=frame.height,
        video_id=video_id,
        pts_seconds=frame.pts_seconds,
        encoding=encoding,
        box=frame.box,
    )
