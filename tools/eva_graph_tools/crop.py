"""A part of a decoded picture, so that only that part is converted."""

import math
from fractions import Fraction
from typing import cast

import av
import av.filter

Region = tuple[int, int, int, int]
"""x0, y0, x1, y1 in pixels, the ends not included."""

# The coarsest grid on which chroma of any format, and of each field, has the phase it has at 0.
_GRID = 16
# How far bicubic scaling looks around a pixel of its result, and interpolation of chroma besides.
_SUPPORT_PIXELS, _CHROMA_PIXELS = 2.0, 8


def region_around(
    cut: tuple[float, float, float, float], target: tuple[int, int], picture: tuple[int, int]
) -> Region:
    """The pixels on which a scaled cut depends, on a grid that chroma keeps its phase on.

    Args:
        cut: x0, y0, x1, y1 in pixels of the picture.
        target: width and height that the cut is scaled to.
        picture: width and height of the picture.
    """
    edges: list[tuple[int, int]] = []
    for axis in (0, 1):
        start, end = cut[axis], cut[axis + 2]
        scale = max(1.0, (end - start) / target[axis])
        margin = math.ceil(_SUPPORT_PIXELS * scale) + _CHROMA_PIXELS
        low = max(0, math.floor(start) - margin) // _GRID * _GRID
        high = -(-(math.ceil(end) + margin) // _GRID) * _GRID
        edges.append((low, min(high, picture[axis])))
    (x0, x1), (y0, y1) = edges
    return x0, y0, x1, y1


def cropped(frame: av.VideoFrame, region: Region) -> av.VideoFrame:
    """A part of a picture with all that is said of its colours; the pixels are shared.

    FFmpeg's crop filter does it: a copy of the planes would lose where chroma lies between them.
    """
    x0, y0, x1, y1 = region
    graph = av.filter.Graph()
    source = graph.add_buffer(
        width=frame.width,
        height=frame.height,
        format=frame.format,
        time_base=Fraction(1, 1),
    )
    crop = graph.add("crop", f"{x1 - x0}:{y1 - y0}:{x0}:{y0}:exact=1")
    sink = graph.add("buffersink")
    source.link_to(crop)
    crop.link_to(sink)
    graph.configure()
    source.push(frame)
    return cast("av.VideoFrame", sink.pull())
