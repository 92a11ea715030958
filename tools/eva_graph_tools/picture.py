"""From a decoded frame to RGB pixels as a viewer sees them.

The container's display matrix (rotation and mirroring, in steps of 90 degrees) and the sample
aspect ratio are applied, the frame's own colour matrix and range are honoured, and scaling runs
from the decoder's planes straight to the target size (bicubic, widened when shrinking, so nothing
aliases). High dynamic range is tone mapped (`eva_graph_tools.tone`). What is transparent lies over
black, as video players show it. The two fields of an interlaced frame stay woven.
"""

import struct
from dataclasses import dataclass
from fractions import Fraction

import av
import numpy as np
import numpy.typing as npt
from av.sidedata.sidedata import SideData
from av.video.reformatter import Colorspace, Interpolation, VideoReformatter
from PIL import Image

from eva_graph_tools import tone
from eva_graph_tools.crop import cropped, region_around
from eva_graph_tools.frames import Box

Pixels = npt.NDArray[np.uint8]
Area = tuple[float, float, float, float]

_UNSPECIFIED_COLORSPACE = 2
_MATRIX = struct.Struct("=9i")
_HD_WIDTH, _HD_HEIGHT = 1280, 720
# Bit exact on every processor: a frame made again elsewhere must have the same hash.
_SCALING = (
    Interpolation.BICUBIC
    | Interpolation.ACCURATE_RND
    | Interpolation.FULL_CHR_H_INT
    | Interpolation.BITEXACT
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Geometry:
    """How stored pictures are turned and stretched for display.

    Attributes:
        width, height: pixels as displayed.
        transpose: rows and columns change places, before the flips.
        flip_x, flip_y: mirrored left to right, top to bottom.
    """

    width: int
    height: int
    transpose: bool
    flip_x: bool
    flip_y: bool

    @property
    def rotation_degrees(self) -> int:
        """Clockwise turn from storage to display: 0, 90, 180 or 270."""
        if self.transpose:
            return 90 if self.flip_x else 270
        return 180 if self.flip_x and self.flip_y else 0

    def stored(self, area: Area, picture: tuple[int, int]) -> Area:
        """An area of the displayed picture (x0, y0, x1, y1) in a stored one of a size in pixels."""
        width, height = picture[::-1] if self.transpose else picture
        x0, y0, x1, y1 = self._flipped(area, width, height)
        return (y0, x0, y1, x1) if self.transpose else (x0, y0, x1, y1)

    def displayed(self, area: Area, picture: tuple[int, int]) -> Area:
        """An area of the stored picture in the displayed one: the inverse of `stored`."""
        width, height = picture[::-1] if self.transpose else picture
        x0, y0, x1, y1 = area
        turned = (y0, x0, y1, x1) if self.transpose else (x0, y0, x1, y1)
        return self._flipped(turned, width, height)

    def _flipped(self, area: Area, width: float, height: float) -> Area:
        x0, y0, x1, y1 = area
        if self.flip_x:
            x0, x1 = width - x1, width - x0
        if self.flip_y:
            y0, y1 = height - y1, height - y0
        return x0, y0, x1, y1


def geometry_of(frame: av.VideoFrame, sample_aspect_ratio: Fraction | None) -> Geometry:
    """Displayed geometry of a video from one of its frames.

    Pixels that are not square stretch or shrink the stored width, as players do.
    """
    a, b, c, d = _display_matrix(frame)
    transpose = abs(b) + abs(c) > abs(a) + abs(d)
    ratio = sample_aspect_ratio or Fraction(1)
    if not Fraction(1, 16) <= ratio <= 16:
        ratio = Fraction(1)
    width, height = max(1, round(frame.width * ratio)), frame.height
    return Geometry(
        width=height if transpose else width,
        height=width if transpose else height,
        transpose=transpose,
        flip_x=(c if transpose else a) < 0,
        flip_y=(b if transpose else d) < 0,
    )


class Painter:
    """Turns decoded frames of one video into RGB arrays of one size. Not thread safe."""

    def __init__(self, geometry: Geometry, size: tuple[int, int], box: Box | None = None) -> None:
        """`size` is width and height in pixels; `box` cuts (x0, y0, x1, y1) as fractions."""
        self._geometry = geometry
        self._size = size
        self._box = box
        self._reformatter = VideoReformatter()

    def paint(self, frame: av.VideoFrame) -> Pixels:
        """Height x width x 3 array, uint8 RGB."""
        if self._box is None:
            return self._orient(self._rgb(frame, self._stored_size(), frame))
        stored = (frame.width, frame.height)
        width, height = stored[::-1] if self._geometry.transpose else stored
        x0, y0, x1, y1 = self._box
        cut = (x0 * width, y0 * height, x1 * width, y1 * height)
        region = region_around(self._geometry.stored(cut, stored), self._stored_size(), stored)
        part = cropped(frame, region)
        shown = self._orient(self._rgb(part, (part.width, part.height), frame))
        left, top, *_ = self._geometry.displayed(region, stored)
        inside = (cut[0] - left, cut[1] - top, cut[2] - left, cut[3] - top)
        image = Image.fromarray(shown).resize(self._size, Image.Resampling.BICUBIC, box=inside)
        return np.asarray(image)

    def _stored_size(self) -> tuple[int, int]:
        width, height = self._size
        return (height, width) if self._geometry.transpose else (width, height)

    def _rgb(self, frame: av.VideoFrame, size: tuple[int, int], whole: av.VideoFrame) -> Pixels:
        """`frame` at a size, in the colours of `whole`, of which it may be a part."""
        untagged = whole.colorspace == _UNSPECIFIED_COLORSPACE
        hd = whole.width >= _HD_WIDTH or whole.height >= _HD_HEIGHT
        # What an untagged file means is a convention: players take BT.709 for HD, else BT.601.
        matrix = (Colorspace.ITU709 if hd else Colorspace.ITU601) if untagged else None
        transfer = whole.color_trc
        high_range = transfer in (tone.PQ, tone.HLG)
        alpha = any(component.is_alpha for component in frame.format.components)
        scaled = self._reformatter.reformat(
            frame,
            width=size[0],
            height=size[1],
            format="rgb48le" if high_range else "rgba" if alpha else "rgb24",
            src_colorspace=matrix,
            interpolation=_SCALING,
            threads=1,
        ).to_ndarray()
        if high_range:
            return tone.to_sdr(scaled.astype(np.uint16, copy=False), transfer)
        pixels = np.asarray(scaled, np.uint8)
        return _over_black(pixels) if alpha else pixels

    def _orient(self, pixels: Pixels) -> Pixels:
        if self._geometry.transpose:
            pixels = pixels.transpose(1, 0, 2)
        if self._geometry.flip_x:
            pixels = pixels[:, ::-1]
        if self._geometry.flip_y:
            pixels = pixels[::-1]
        return np.ascontiguousarray(pixels)


def _over_black(rgba: Pixels) -> Pixels:
    opacity = rgba[..., 3:].astype(np.uint16)
    return ((rgba[..., :3] * opacity + 127) // 255).astype(np.uint8)


def _display_matrix(frame: av.VideoFrame) -> tuple[int, int, int, int]:
    data = frame.side_data.get("DISPLAYMATRIX")
    if not isinstance(data, SideData) or data.buffer_size < _MATRIX.size:
        return 1, 0, 0, 1
    a, b, _, c, d, *_ = _MATRIX.unpack(bytes(data)[: _MATRIX.size])
    return (a, b, c, d) if any((a, b, c, d)) else (1, 0, 0, 1)
