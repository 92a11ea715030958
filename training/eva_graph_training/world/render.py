"""Worlds as real video files: H.264 in MP4, 10 frames a second, a key frame every two seconds."""

from __future__ import annotations

import itertools
from pathlib import Path

import av
from av.video.frame import VideoFrame

from eva_graph_training.world.scene import SIDE_PIXELS, Moment, draw
from eva_graph_training.world.schedule import World

WORLD_COMMENT = "eva_graph synthetic world"
"""`comment` tag of every world video: tells a policy made for this world that it is at home."""
FRAMES_PER_SECOND = 10
KEY_INTERVAL_FRAMES = 20


def render(world: World, path: Path) -> None:
    """Write the video. One encoder thread, so that equal worlds give equal files."""
    fresh = path.with_suffix(".part.mp4")
    with av.open(str(fresh), "w") as container:
        container.metadata["comment"] = WORLD_COMMENT
        stream = container.add_stream("libx264", rate=FRAMES_PER_SECOND)
        stream.width = stream.height = SIDE_PIXELS
        stream.pix_fmt = "yuv420p"
        stream.options = {
            "preset": "veryfast",
            "crf": "23",
            "g": str(KEY_INTERVAL_FRAMES),
            "keyint_min": str(KEY_INTERVAL_FRAMES),
            "sc_threshold": "0",
            "threads": "1",
        }
        for second, frame in _pictures(world):
            for number in range(FRAMES_PER_SECOND):
                frame.pts = second * FRAMES_PER_SECOND + number
                container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    fresh.replace(path)


def _pictures(world: World) -> itertools.chain[tuple[int, VideoFrame]]:
    seconds = range(world.duration_seconds)
    runs = itertools.groupby(seconds, key=world.moment_at)
    return itertools.chain.from_iterable(
        ((second, picture) for second in group)
        for moment, group in runs
        for picture in [_encodable(world, moment)]
    )


def _encodable(world: World, moment: Moment) -> VideoFrame:
    picture = VideoFrame.from_ndarray(draw(world.style, moment), format="rgb24")
    return picture.reformat(format="yuv420p")
