"""Parts for testing graphs that embed the agent: a policy that plays a script, and a small video.

policy = ScriptedPolicy(["Plan: …<tool_call>…</tool_call>", "<answer>A</answer>"])
clip = make_clip(tmp_path / "clip.mp4", seconds=12)
VideoAgent(policy=policy).run(clip, "Which colour is shown at 3 seconds?")
"""

from __future__ import annotations

import math
import os
import threading
from collections import Counter
from collections.abc import Callable, Sequence
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from langchain_core.messages import AIMessage
from PIL import Image, ImageDraw, ImageFont

from eva_graph.errors import PolicyError
from eva_graph.policy.protocol import Completion, PolicyInfo, PolicyRequest
from eva_graph_tools import VisualGrid

Line = str | Completion | PolicyError
"""What a script says in one call: a text, a whole completion, or an error that is raised."""

CLIP_COLOURS = {
    "red": (220, 40, 40),
    "green": (40, 170, 60),
    "blue": (50, 80, 220),
    "yellow": (235, 215, 50),
    "purple": (150, 60, 190),
    "orange": (240, 140, 30),
    "cyan": (40, 200, 210),
    "white": (245, 245, 245),
}
"""Background colours of `make_clip` and their RGB values, in the order of the seconds."""


class ScriptedPolicy:
    """Plays given lines in place of a model; `requests` holds everything that it was asked.

    With a sequence, line `k` answers a transcript that holds `k` assistant messages: runs side by
    side do not mix, and a run that is resumed or repeated hears the same line again. A function is
    asked for each request instead.

    Args:
        script: the lines, or a function from the request to a line.
        grid: patches of the pretended image processor.
        context_tokens: pretended context length.
        continuation: play one line per *call* of a conversation and accept `continue_final` and
            `guided_regex`, for `calls="phase"`.

    Raises (from `generate`):
        PolicyError: the line is one, or the script has no further line.
    """

    def __init__(
        self,
        script: Sequence[Line] | Callable[[PolicyRequest], Line],
        *,
        grid: VisualGrid | None = None,
        context_tokens: int | None = None,
        continuation: bool = False,
    ) -> None:
        self.info = PolicyInfo(
            name="scripted",
            backend="scripted",
            grid=grid or VisualGrid(),
            context_tokens=context_tokens,
            supports_continuation=continuation,
        )
        self.requests: list[PolicyRequest] = []
        self._script = script
        self._calls: Counter[str] = Counter()
        self._lock = threading.Lock()

    def generate(self, request: PolicyRequest) -> Completion:
        """The script's next line for this conversation."""
        with self._lock:
            self.requests.append(request)
            call = self._calls[request.conversation_id]
            self._calls[request.conversation_id] += 1
        if not self.info.supports_continuation:
            call = sum(isinstance(message, AIMessage) for message in request.messages)
        line = self._script(request) if callable(self._script) else _line(self._script, call)
        if isinstance(line, PolicyError):
            raise line
        return Completion(text=line) if isinstance(line, str) else line

    async def agenerate(self, request: PolicyRequest) -> Completion:
        """Like `generate`."""
        return self.generate(request)


def _line(script: Sequence[Line], number: int) -> Line:
    if number >= len(script):
        raise PolicyError(f"the script has {len(script)} lines, line {number + 1} was asked")
    return script[number]


def make_clip(
    path: str | os.PathLike[str],
    *,
    seconds: float = 12.0,
    size: tuple[int, int] = (320, 240),
    fps: int = 10,
) -> Path:
    """Write a real H.264 video whose pictures tell when they are shown, and return its path.

    Every frame shows its own number, on a background that changes each second in the order of
    `CLIP_COLOURS` (see `clip_colour`). A key frame starts every second.

    Args:
        path: the file to write; its ending chooses the container (`.mp4`, `.mkv`, …).
        seconds: length; at least one frame is written.
        size: width and height in pixels, both even.
        fps: frames per second.
    """
    path = Path(path)
    width, height = size
    font = ImageFont.load_default(size=height // 3)
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=fps, options={"crf": "18", "g": str(fps)})
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        for number in range(max(1, round(seconds * fps))):
            image = Image.new("RGB", size, CLIP_COLOURS[clip_colour(number / fps)])
            ImageDraw.Draw(image).text(
                (width / 2, height / 2), str(number), fill="black", font=font, anchor="mm"
            )
            frame = av.VideoFrame.from_ndarray(np.asarray(image), format="rgb24")
            frame.pts, frame.time_base = number, Fraction(1, fps)
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return path


def clip_colour(time_seconds: float) -> str:
    """Name of the background colour that a `make_clip` video shows at a time."""
    return list(CLIP_COLOURS)[math.floor(time_seconds) % len(CLIP_COLOURS)]
