"""The looks that the solver considers, two or more a turn, and how it writes them."""

from __future__ import annotations

from typing import Any

from eva_graph.dialects.turn import Look, write_call, write_plan
from eva_graph_tools import VisualGrid
from eva_graph_training.world.drawing import PRINT_BOX, SIDE_PIXELS, SIGN_BOX
from eva_graph_training.world.wording import Kind

OVERVIEW_RESIZE, READING_RESIZE, CLOSE_RESIZE = 0.25, 0.5, 1.0
COARSE_FRAMES = 12
SCAN_FRAMES = (COARSE_FRAMES, 45, 90)
"""Of a whole video: one scan after the other until one shows what is sought."""
WINDOW_SCAN_FRAMES = (COARSE_FRAMES, 60)
"""Of two minutes: the second shows every border of four seconds."""
DENSE_FRAMES = 30
"""Of half a minute, or of one: shows every border of one second, or of four."""

Candidates = tuple[Look, ...]
Box = tuple[float, float, float, float]
Time = int | str


def turn(reflection: str | None, summary: str, candidates: Candidates) -> str:
    """A turn that takes the first candidate."""
    head = "" if reflection is None else f"Reflection: {reflection}\n"
    call = write_call(candidates[0].tool, candidates[0].arguments)
    plan = write_plan(candidates, (0,))
    return f"{head}Summary: {summary}\nPlan:\n{plan}\n<tool_call>{call}</tool_call>"


def scan(
    kind: Kind, window: tuple[str, str] | None, length_seconds: int, number: int
) -> Candidates:
    """Scan number 0, 1, … of the range where a border is to be found, at overview size.

    Raises:
        ValueError: there is no denser scan.
    """
    start, end = (0, length_seconds) if window is None else window
    frames: tuple[int, ...] = SCAN_FRAMES if window is None else WINDOW_SCAN_FRAMES
    if kind in ("short_event", "count"):
        frames = (DENSE_FRAMES,)
    if number >= len(frames):
        raise ValueError(f"{number} scans missed what was asked for")
    other = COARSE_FRAMES if frames[number] != COARSE_FRAMES else DENSE_FRAMES
    return (
        _frames(start, end, frames[number], OVERVIEW_RESIZE, "find the border"),
        _frames(start, end, other, OVERVIEW_RESIZE, "scan it otherwise"),
    )


def read_sign(label: str) -> Candidates:
    """A look at the whole picture that a large letter can be read from."""
    return (
        _frames(label, label, 1, READING_RESIZE, "read the sign"),
        _zoom(SIGN_BOX, label, "read the sign at full detail"),
    )


def read_small_sign(label: str) -> Candidates:
    """A look at the sign alone that a small letter can be read from."""
    return (
        _zoom(SIGN_BOX, label, "read the sign at full detail"),
        _frames(label, label, 1, CLOSE_RESIZE, "see all at full detail"),
    )


def read_print(label: str) -> Candidates:
    """A look at the small print alone."""
    return (
        _zoom(PRINT_BOX, label, "read the small print"),
        _frames(label, label, 1, CLOSE_RESIZE, "see all at full detail"),
    )


def scenes(start: str, end: str) -> Candidates:
    """Have the scenes of a range found; one small frame, for the text is what counts."""
    arguments = {"start_time": start, "end_time": end, "nframes": 1, "resize": OVERVIEW_RESIZE}
    tokens = _tokens(SIDE_PIXELS, SIDE_PIXELS, OVERVIEW_RESIZE, 1)
    return (
        _look("scene_detect", arguments, tokens, "find the scenes"),
        _frames(start, end, DENSE_FRAMES, OVERVIEW_RESIZE, "see them"),
    )


def listen(query: str) -> Candidates:
    """Look a word up in the subtitles."""
    return (
        _look("transcript", {"query": query}, 0, "find the line"),
        _look("transcript", {"query": "word"}, 0, "find all lines that tell a word"),
    )


def _frames(start: Time, end: Time, nframes: int, resize: float, reason: str) -> Look:
    arguments = {"start_time": start, "end_time": end, "nframes": nframes, "resize": resize}
    tokens = _tokens(SIDE_PIXELS, SIDE_PIXELS, resize, nframes)
    return _look("frame_select", arguments, tokens, reason)


def _zoom(box: Box, time: str, reason: str) -> Look:
    width, height = (box[2] - box[0]) * SIDE_PIXELS, (box[3] - box[1]) * SIDE_PIXELS
    tokens = _tokens(round(width), round(height), 1.0, 1)
    return _look("zoom", {"box": list(box), "time": time}, tokens, reason)


def _look(tool: str, arguments: dict[str, Any], tokens: int, reason: str) -> Look:
    return Look(tool=tool, arguments=arguments, estimated_visual_tokens=tokens, reason=reason)


def _tokens(width: int, height: int, resize: float, nframes: int) -> int:
    return VisualGrid().estimate(width, height, resize, nframes)
