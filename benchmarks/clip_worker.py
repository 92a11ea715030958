"""A process that cuts a range out of a file, with `Video.cut` or with moviepy, and says its cost.

    python clip_worker.py METHOD     a JSON request per line on stdin, a reply per line

Methods: eva_graph_copy, eva_graph_cut (exact), moviepy (its defaults) and moviepy_veryfast (with
the preset that eva_graph encodes with). Opening the file is counted. The reply holds the numbers
of the first and the last frame of the cut and its duration.
"""

import json
import os
import sys
import tempfile
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

import av
import barcode
import numpy as np
from worker import measured

Cut = Callable[[str, float, float, Path], None]


def eva_graph(*, exact: bool) -> Cut:
    """`Video.cut`."""
    from eva_graph_tools import Video

    def cut(source: str, start: float, end: float, target: Path) -> None:
        with Video.open(source) as video:
            video.cut(start, end, target, exact=exact)

    return cut


def moviepy(preset: str) -> Cut:
    """`subclipped(...).write_videofile(...)`."""
    make = import_module("moviepy").VideoFileClip

    def cut(source: str, start: float, end: float, target: Path) -> None:
        with make(source) as clip:
            part = clip.subclipped(start, end)
            part.write_videofile(str(target), audio_codec="aac", preset=preset, logger=None)

    return cut


def cutter(method: str) -> Cut:
    """The method of a name. Raises whatever importing its library raises."""
    if method.startswith("eva_graph"):
        return eva_graph(exact=method == "eva_graph_cut")
    return moviepy("veryfast" if method == "moviepy_veryfast" else "medium")


def described(path: Path) -> dict[str, Any]:
    """What a cut really holds, by a sequential decode."""
    with av.open(str(path)) as container:
        frames = [(frame.time, frame) for frame in container.decode(video=0)]
        sound = bool(container.streams.audio)
    ends = [
        barcode.read(np.asarray(f.to_ndarray(format="gray"))) for _, f in (frames[0], frames[-1])
    ]
    return {"first": ends[0], "last": ends[1], "frames": len(frames), "sound": sound}


def main() -> None:
    """Serve requests until stdin ends."""
    replies = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # whatever a library prints goes to stderr
    try:
        cut = cutter(sys.argv[1])
    except ImportError as error:
        print(json.dumps({"missing": str(error)}), file=replies, flush=True)
        return
    print(json.dumps({}), file=replies, flush=True)
    for line in sys.stdin:
        request = json.loads(line)
        report: dict[str, Any] = {}
        with tempfile.TemporaryDirectory() as folder:
            target = Path(folder) / "cut.mp4"
            with measured(report):
                cut(request["path"], request["start"], request["end"], target)
            report |= described(target)
        print(json.dumps(report), file=replies, flush=True)


if __name__ == "__main__":
    main()
