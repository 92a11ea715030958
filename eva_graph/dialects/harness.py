"""The released harness's arithmetic, quirks included. Pure functions.

Source: `eval-eva.py` and `select_frame_fallback.py` of the authors' evaluation repository at
758ad8d: the look budget, frame sizes, sampled instants, the frames its decoders pick for them,
label seconds, and which arguments its frame tool accepts on its command line.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from eva_graph_tools import VideoInfo

PATCH_PIXELS = 28
MAX_SHORT_SIDE = 720
MAX_FRAMES = 4096
"""Ours: a call for more fails, where the harness would run out of memory."""
_REORDERING_CODECS = frozenset({"h264", "hevc"})
_NEGATIVE_NUMBER = re.compile(r"-\d+|-\d*\.\d+")


def harness_estimate(nframes: Any, resize: Any, width: int, height: int) -> int:
    """Visual tokens as the harness counts them (it counts a 1-pixel side as one patch)."""
    rows: int = max(1, round(height * resize / PATCH_PIXELS))
    columns: int = max(1, round(width * resize / PATCH_PIXELS))
    return int(nframes) * rows * columns


def harness_fit(
    nframes: Any, resize: Any, *, width: int, height: int, budget: int
) -> tuple[Any, Any, int]:
    """nframes, resize and estimate after the harness's two-stage reduction.

    Raises whatever Python raises for arguments of the wrong type, as the harness does.
    """
    estimate = harness_estimate(nframes, resize, width, height)
    if estimate > budget:
        resize = min(resize, min(1.0, MAX_SHORT_SIDE / min(width, height)))
        estimate = harness_estimate(nframes, resize, width, height)
        if estimate > budget:
            ratio = (budget / estimate) ** (1 / 3)
            nframes = max(1, int(nframes * ratio))
            resize = resize * ratio
        estimate = harness_estimate(nframes, resize, width, height)
    return nframes, resize, estimate


def harness_size(width: int, height: int, resize: float) -> tuple[int, int]:
    """Width and height in pixels; a side that rounds to zero patches becomes one pixel."""
    sides = (max(1, round(side * resize / PATCH_PIXELS) * PATCH_PIXELS) for side in (width, height))
    out_width, out_height = sides
    return out_width, out_height


def harness_indices(
    start: float,
    end: float,
    nframes: int,
    *,
    info: VideoInfo,
    times_seconds: npt.NDArray[np.float64],
) -> list[int]:
    """Frames by their place in the order of display, as the harness's decoders pick them.

    decord, its first choice, counts time from the first frame and takes the frame nearest to
    instant x average rate, however unevenly the frames lie. torchcodec, its second, keeps the
    container's clock and takes the frame on screen.

    Args:
        start, end, nframes: the look.
        info: the video.
        times_seconds: times of all frames from the first one (`Video.frame_times_seconds`).
    """
    if not _decord_reads(info):
        begin = 0.0 if info.container == "avi" else info.start_offset_seconds
        times = harness_times(
            start, end, nframes, stream_begin=begin, stream_end=begin + info.duration_seconds
        )
        return [_on_screen(time - begin, times_seconds) for time in times]
    rate = info.stream_average_fps or 1.0
    last = float(np.float32(times_seconds[-1]))  # decord tells times in single precision
    end_of_stream = max(last + 1.0 / rate, last + 1e-3)
    times = harness_times(start, end, nframes, stream_begin=0.0, stream_end=end_of_stream)
    return [max(0, min(round(time * rate), len(times_seconds) - 1)) for time in times]


def _decord_reads(info: VideoInfo) -> bool:
    """Not AV1, which its FFmpeg cannot decode, nor codecs whose times AVI does not state."""
    return info.codec != "av1" and not (
        info.container == "avi" and info.codec in _REORDERING_CODECS
    )


def _on_screen(seconds: float, times_seconds: npt.NDArray[np.float64]) -> int:
    return max(0, int(np.searchsorted(times_seconds, seconds, "right")) - 1)


def harness_times(
    start: float, end: float, nframes: int, *, stream_begin: float, stream_end: float
) -> list[float]:
    """Sampled instants after clamping to the stream.

    A range that is empty after clamping becomes the whole stream.
    """
    low, high = max(start, stream_begin), min(end, stream_end)
    if high <= low:
        low, high = stream_begin, stream_end
    if nframes == 1:
        return [(low + high) / 2.0]
    last = max(low, high - min(1e-3, (high - low) / (nframes * 4.0)))
    return [float(instant) for instant in np.linspace(low, last, nframes)]


def harness_clock(start: Any, end: Any, nframes: int) -> tuple[int, ...]:
    """Label seconds: spread over the requested range, whatever was sampled.

    Raises whatever Python raises for times that are no numbers, as the harness does.
    """
    step = (end - start) / max(1, nframes - 1)
    return tuple(int(start + index * step) for index in range(nframes))


def harness_tool_accepts(arguments: Mapping[str, Any]) -> bool:
    """Whether the harness's frame tool runs with these values on its command line."""
    texts = {name: str(value) for name, value in arguments.items()}
    if any(_looks_like_an_option(text) for text in texts.values()):
        return False
    try:
        nframes, start = int(texts["nframes"]), _tool_seconds(texts["start_time"])
        # An empty end is the end of the stream.
        end = _tool_seconds(texts["end_time"]) if texts["end_time"].strip() else math.inf
        resize = float(texts["resize"])
    except (ValueError, OverflowError):
        return False
    unsampled = math.isnan(start) or (math.isnan(end) and nframes == 1)
    return 1 <= nframes <= MAX_FRAMES and resize > 0 and not unsampled


def _looks_like_an_option(text: str) -> bool:
    """argparse takes "-1e-05" for an option, "-5" for a number and "- 5" for a plain value."""
    if len(text) < 2 or not text.startswith("-") or " " in text:
        return False
    return _NEGATIVE_NUMBER.fullmatch(text) is None


def _tool_seconds(text: str) -> float:
    """Seconds, or any number of parts separated by colons, sixty to one. Raises ValueError."""
    parts = text.strip().split(":")
    return sum((float(part) * 60.0**power for power, part in enumerate(reversed(parts))), 0.0)
