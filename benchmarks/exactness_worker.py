"""A process that answers, with one library, which frame a file shows at given times.

    python exactness_worker.py METHOD     a JSON request per line on stdin, a reply per line

A request holds the file's path and times in seconds on the library's own clock. The reply holds,
per time, the numbers read in the frame: one list, empty where the frame cannot be read, None where
the library gave no frame. Pictures may be turned or mirrored, except ours.
"""

import json
import os
import sys
from collections.abc import Callable, Iterable
from functools import partial
from importlib import import_module
from typing import TYPE_CHECKING, Any

import barcode
import numpy as np
from barcode import Pixels

if TYPE_CHECKING:
    from eva_graph_tools import Frame

Answers = list[list[int] | None]
Method = Callable[[str, list[float]], tuple[Answers, dict[str, Any]]]


def eva_graph(path: str, times: list[float]) -> tuple[Answers, dict[str, Any]]:
    """`Video.seek` for each time, then all times at once, then looks by the auto rule."""
    from eva_graph_tools import ToolError, Video

    answers: Answers = []
    labels: list[float | None] = []
    with Video.open(path) as video:
        duration = video.info.duration_seconds
        within = [min(t, duration) for t in times]
        for t in within:
            try:
                frame = video.seek(t)
            except ToolError as error:
                print(f"{path} at {t}: {error}", file=sys.stderr)
                answers.append(None)
                labels.append(None)
                continue
            answers.append(_upright(frame.pixels))
            labels.append(frame.pts_seconds)
        together = [_upright(f.pixels) for f in _taken(partial(video.frames_at, within))]
        looks = []
        for nframes in (1, 2, 3, 5, 8):
            for start in (0.0, duration * 0.37):
                frames = _taken(partial(video.frame_select, start, duration, nframes=nframes))
                looks += [[f.pts_seconds, _upright(f.pixels), f.snapped] for f in frames]
        extra = {"labels": labels, "together": together, "auto": looks, "duration": duration}
    return answers, extra


def _taken(take: Callable[[], "list[Frame]"]) -> "list[Frame]":
    from eva_graph_tools import ToolError

    try:
        return take()
    except ToolError as error:
        print(error, file=sys.stderr)
        return []


def _upright(pixels: Pixels) -> list[int]:
    number = barcode.read(pixels)
    return [] if number is None else [number]


def _any_way_up(pixels: Any) -> list[int]:
    return sorted(barcode.readings(np.asarray(pixels, np.uint8)))


def torchcodec(path: str, times: list[float]) -> tuple[Answers, dict[str, Any]]:
    """Exact mode; times are held to what it says of the stream."""
    decoder = import_module("torchcodec.decoders").VideoDecoder(
        path, seek_mode="exact", dimension_order="NHWC"
    )
    facts = decoder.metadata
    first, last = facts.begin_stream_seconds or 0.0, (facts.end_stream_seconds or 1e9) - 1e-6

    def at(t: float) -> list[int]:
        held = min(max(t, first), last)
        return _any_way_up(decoder.get_frames_played_at([held]).data[0].numpy())

    return _each(times, at, (RuntimeError, IndexError)), {}


def opencv(path: str, times: list[float]) -> tuple[Answers, dict[str, Any]]:
    """Sought by frame number, which is the time times the frame rate."""
    cv2 = import_module("cv2")
    capture = cv2.VideoCapture(path, cv2.CAP_FFMPEG)
    fps, count = capture.get(cv2.CAP_PROP_FPS), int(capture.get(cv2.CAP_PROP_FRAME_COUNT))

    def at(t: float) -> list[int] | None:
        capture.set(cv2.CAP_PROP_POS_FRAMES, max(0, min(int(t * fps + 1e-6), count - 1)))
        ok, frame = capture.read()
        return _any_way_up(frame) if ok else None

    return _each(times, at, (cv2.error, ValueError)), {}


def pyav_recipe(path: str, times: list[float]) -> tuple[Answers, dict[str, Any]]:
    """Seek to the time, decode until past it."""
    av = import_module("av")
    container = av.open(path)
    stream = container.streams.video[0]

    def at(t: float) -> list[int] | None:
        container.seek(int(t / stream.time_base), stream=stream)
        shown = None
        for frame in container.decode(stream):
            if shown is not None and frame.time > t + 1e-6:
                break
            shown = frame
        return None if shown is None else _any_way_up(shown.to_ndarray(format="rgb24"))

    return _each(times, at, (av.error.FFmpegError, TypeError, ValueError)), {}


def decord(path: str, times: list[float]) -> tuple[Answers, dict[str, Any]]:
    """The last index whose timestamp, as decord gives it, is not after the time."""
    library = import_module("decord")
    reader = library.VideoReader(path, ctx=library.cpu(0))
    stamps = np.asarray(reader.get_frame_timestamp(list(range(len(reader)))))[:, 0]

    def at(t: float) -> list[int]:
        place = int(np.searchsorted(stamps, t + 1e-6, "right")) - 1
        return _any_way_up(reader.get_batch([max(0, place)]).asnumpy()[0])

    return _each(times, at, (library.DECORDError, IndexError)), {}


def harness_rule(path: str, times: list[float]) -> tuple[Answers, dict[str, Any]]:
    """decord as the harness uses it: the nearest index by the average frame rate."""
    library = import_module("decord")
    reader = library.VideoReader(path, ctx=library.cpu(0))
    fps, count = float(reader.get_avg_fps()), len(reader)

    def at(t: float) -> list[int]:
        place = max(0, min(round(t * fps), count - 1))
        return _any_way_up(reader.get_batch([place]).asnumpy()[0])

    return _each(times, at, (library.DECORDError, IndexError)), {}


def _each(
    times: Iterable[float],
    at: Callable[[float], list[int] | None],
    errors: tuple[type[Exception], ...],
) -> Answers:
    answers: Answers = []
    for t in times:
        try:
            answers.append(at(t))
        except errors:
            answers.append(None)
    return answers


METHODS: dict[str, tuple[str, Method]] = {
    "eva_graph": ("eva_graph_tools", eva_graph),
    "torchcodec": ("torchcodec.decoders", torchcodec),
    "opencv": ("cv2", opencv),
    "pyav_recipe": ("av", pyav_recipe),
    "decord": ("decord", decord),
    "harness_rule": ("decord", harness_rule),
}


def main() -> None:
    """Serve requests until stdin ends."""
    replies = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # whatever a library prints goes to stderr
    module, method = METHODS[sys.argv[1]]
    try:
        import_module(module)
    except (ImportError, OSError, RuntimeError) as error:
        missing = (str(error).strip().splitlines() or [type(error).__name__])[0]
        print(json.dumps({"missing": missing}), file=replies, flush=True)
        return
    print(json.dumps({}), file=replies, flush=True)
    for line in sys.stdin:
        request = json.loads(line)
        try:
            answers, extra = method(request["path"], request["times"])
            reply = {"answers": answers, **extra}
        except Exception as error:  # a file that a library cannot open is part of the table
            reply = {"answers": [None] * len(request["times"]), "error": str(error)[:200]}
        print(json.dumps(reply), file=replies, flush=True)


if __name__ == "__main__":
    main()
