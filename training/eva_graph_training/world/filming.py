"""World videos as real files: H.264 in MP4 with a key frame every two seconds, and subtitles.

Equal plots give equal files. A sparse video lacks frames (a variable frame rate), but never the
first of a second, nor any of the last second or beside a fade.
"""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from av.video.frame import PictureType, VideoFrame

from eva_graph_training.world.drawing import SIDE_PIXELS, draw, fading
from eva_graph_training.world.plot import Plot

WORLD_COMMENT = "eva_graph synthetic world 2"
"""`comment` tag of every such video."""
KEY_SECONDS = 2
MISSING_SHARE = 0.4
"""Of a sparse video's frames that may be missing, how many are."""


def film(plot: Plot, path: Path) -> None:
    """Write the video, and beside it the `.srt` of a plot with lines.

    One encoder thread, so that equal plots give equal files.
    """
    if plot.lines:
        path.with_suffix(".srt").write_text(subtitles(plot), encoding="utf-8")
    fresh = path.with_suffix(".part.mp4")
    with av.open(str(fresh), "w") as container:
        container.metadata["comment"] = WORLD_COMMENT
        stream = container.add_stream("libx264", rate=plot.frames_per_second)
        stream.width = stream.height = SIDE_PIXELS
        stream.pix_fmt = "yuv420p"
        stream.time_base = stream.codec_context.time_base = Fraction(1, plot.frames_per_second)
        stream.options = {
            "preset": "veryfast",
            "crf": "23",
            "g": "9999",
            "sc_threshold": "0",
            "forced-idr": "1",
            "threads": "1",
        }
        for frame in _frames(plot):
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    fresh.replace(path)


def frame_numbers(plot: Plot) -> Iterator[int]:
    """Which frames the video has, counted in frames of a full rate."""
    rng = np.random.default_rng((plot.seed, plot.duration_seconds, plot.frames_per_second))
    whole = {plot.duration_seconds - 1}
    for scene in plot.scenes:
        if scene.fades:
            whole |= {scene.start_seconds - 1, scene.start_seconds, scene.start_seconds + 1}
    rate = plot.frames_per_second
    for number in range(plot.duration_seconds * rate):
        needed = not plot.sparse or number % rate == 0 or number // rate in whole
        if needed or rng.random() >= MISSING_SHARE:
            yield number


def subtitles(plot: Plot) -> str:
    """The lines as a SubRip file."""
    return "".join(
        f"{number}\n{_clock(line.start_seconds)} --> {_clock(line.end_seconds)}\n{line.text}\n\n"
        for number, line in enumerate(plot.lines, start=1)
    )


def _frames(plot: Plot) -> Iterator[VideoFrame]:
    rate, drawn, picture = plot.frames_per_second, -1, None
    for number in frame_numbers(plot):
        second, time_seconds = number // rate, number / rate
        if picture is None or second != drawn or fading(plot, second):
            picture, drawn = _encodable(draw(plot, time_seconds)), second
        first = number % (KEY_SECONDS * rate) == 0
        picture.pict_type = PictureType.I if first else PictureType.NONE
        picture.pts, picture.time_base = number, Fraction(1, rate)
        yield picture


def _encodable(pixels: np.ndarray) -> VideoFrame:
    return VideoFrame.from_ndarray(pixels, format="rgb24").reformat(format="yuv420p")


def _clock(seconds: int) -> str:
    return f"{seconds // 3600:02d}:{seconds // 60 % 60:02d}:{seconds % 60:02d},000"
