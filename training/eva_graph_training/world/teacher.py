"""A programmatic teacher that plays good trajectories on world videos.

Its next turn is a pure function of the question, the length of the video and what the frames of its
earlier looks show. It never sees the schedule of the video. Every number in a call is a constant or
stands, digit for digit, in the question, in the first message or on a frame's label. It uses
`frame_select` only, EVA's own action; a close look is one frame of a range that is a single time.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from eva_graph.dialects.turn import Look, write_call, write_plan
from eva_graph_tools import VisualGrid
from eva_graph_training.world.questions import asked_colour, asked_time
from eva_graph_training.world.scene import SIDE_PIXELS, Moment

OVERVIEW_RESIZE, READING_RESIZE, CLOSE_RESIZE = 0.25, 0.5, 1.0
FIRST_SCAN_FRAMES = 12
DENSE_SCAN_FRAMES = (30, 45)
"""Frames of the second scan of a video shorter, or not shorter, than `LONG_VIDEO_SECONDS`."""
LAST_SCAN_FRAMES = 90
LONG_VIDEO_SECONDS = 100
_READING_PIXELS = round(SIDE_PIXELS * READING_RESIZE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Sighting:
    """One frame of a look: its label as written (`mm:ss`), its width, and what it shows."""

    label: str
    width_pixels: int
    moment: Moment


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """What the first message says: the question and `Video Length: D seconds`."""

    question: str
    length_seconds: int


SeenLook = Sequence[Sighting]


def next_turn(task: Task, looks: Sequence[SeenLook]) -> str:
    """The assistant message that follows these looks, in the text form of the eva dialect.

    Raises:
        ValueError: the question is not one of the world's, or every scan missed the event.
    """
    if not looks:
        return _first_turn(task)
    target = _target(task, looks[-1])
    if target is None:
        colour = asked_colour(task.question) or ""
        scans = sum(len(look) > 1 for look in looks)
        return _turn(not_seen(colour), "The event lies between them.", _denser_scan(task, scans))
    if target.width_pixels < _READING_PIXELS:
        reflection = seen_at(target.moment.border or "", target.label)
        return _turn(reflection, "The sign is to be read there.", _read(target.label))
    if target.moment.small and target.width_pixels == _READING_PIXELS:
        return _turn(
            "The letter is too small to read.", "The sign needs full size.", _close(task, target)
        )
    letter = target.moment.letter
    return f"Reflection: The sign shows {letter}.\n<answer>{letter}</answer>"


def seen_at(colour: str, label: str) -> str:
    """The words for a border found on a frame of an overview."""
    return f"The {colour} border is at [{label}]."


def not_seen(colour: str) -> str:
    """The words for a border that an overview does not show."""
    return f"The {colour} border is in none of these frames."


def _first_turn(task: Task) -> str:
    time = asked_time(task.question)
    if time is not None:
        straight = _at(time, READING_RESIZE, "look straight there")
        looks = (straight, _scan(task, FIRST_SCAN_FRAMES))
        return _turn(None, "Nothing seen yet. The time is given.", looks)
    if asked_colour(task.question) is None:
        raise ValueError(f"the teacher does not know this kind of question: {task.question!r}")
    looks = (_scan(task, FIRST_SCAN_FRAMES), _dense_scan(task))
    return _turn(None, "Nothing seen yet. The time is unknown.", looks)


def _target(task: Task, look: SeenLook) -> Sighting | None:
    colour = asked_colour(task.question)
    for sighting in look:
        if colour is None or sighting.moment.border == colour:
            return sighting
    return None


def _denser_scan(task: Task, scans: int) -> tuple[Look, ...]:
    if scans == 1:
        return _dense_scan(task), _scan(task, FIRST_SCAN_FRAMES, READING_RESIZE)
    if scans == 2:
        return _scan(task, LAST_SCAN_FRAMES), _dense_scan(task)
    raise ValueError(f"{scans} scans missed what was asked for: {task.question!r}")


def _read(label: str) -> tuple[Look, ...]:
    return (
        _at(label, READING_RESIZE, "read the sign"),
        _at(label, CLOSE_RESIZE, "read it at full size"),
    )


def _close(task: Task, target: Sighting) -> tuple[Look, ...]:
    return (
        _at(target.label, CLOSE_RESIZE, "read it at full size"),
        _scan(task, FIRST_SCAN_FRAMES, CLOSE_RESIZE),
    )


def _at(label: str, resize: float, reason: str) -> Look:
    return _look(label, label, 1, resize, reason)


def _dense_scan(task: Task) -> Look:
    return _scan(task, DENSE_SCAN_FRAMES[task.length_seconds >= LONG_VIDEO_SECONDS])


def _scan(task: Task, nframes: int, resize: float = OVERVIEW_RESIZE) -> Look:
    return _look(0, task.length_seconds, nframes, resize, "scan the whole video")


def _look(start: int | str, end: int | str, nframes: int, resize: float, reason: str) -> Look:
    arguments = {"start_time": start, "end_time": end, "nframes": nframes, "resize": resize}
    return Look(
        tool="frame_select",
        arguments=arguments,
        estimated_visual_tokens=VisualGrid().estimate(SIDE_PIXELS, SIDE_PIXELS, resize, nframes),
        reason=reason,
    )


def _turn(reflection: str | None, summary: str, candidates: tuple[Look, ...]) -> str:
    head = "" if reflection is None else f"Reflection: {reflection}\n"
    call = write_call(candidates[0].tool, candidates[0].arguments)
    return (
        f"{head}Summary: {summary}\nPlan:\n{write_plan(candidates, (0,))}\n"
        f"<tool_call>{call}</tool_call>"
    )
