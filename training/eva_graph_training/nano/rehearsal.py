"""Conversations with the teacher in memory, without decoding: the warm-up before trajectories.

The text is the eva dialect's, letter for letter (a test compares them); the frames stand for what
the tools would return, one key frame every two seconds.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from eva_graph.dialects.eva import CLOSINGS, SYSTEM_TEXT
from eva_graph.dialects.parsing import read_corrected
from eva_graph.dialects.turn import Calls
from eva_graph_tools import parse_time
from eva_graph_training.world.questions import Question, event_questions, time_question
from eva_graph_training.world.scene import (
    BORDER_COLOURS,
    LARGE_GLYPH_PIXELS,
    LETTERS,
    SIDE_PIXELS,
    SMALL_GLYPH_PIXELS,
    Moment,
)
from eva_graph_training.world.schedule import World, make_world
from eva_graph_training.world.teacher import Sighting, Task, next_turn

KEY_INTERVAL_SECONDS = 2
SHORT_VIDEO_SECONDS, LONG_VIDEO_SECONDS = (60, 180), (180, 600)


@dataclass(frozen=True, slots=True, kw_only=True)
class Rehearsal:
    """A conversation: message texts with `IMAGE` marks, and what the images show, in order."""

    messages: tuple[tuple[str, str], ...]
    sightings: tuple[Sighting, ...]


IMAGE = "<|vision_start|><|image_pad|><|vision_end|>"


def random_rehearsal(rng: np.random.Generator, *, time_share: float = 0.4) -> Rehearsal:
    """A conversation on a world of its own."""
    ask_time = rng.random() < time_share
    low, high = SHORT_VIDEO_SECONDS
    if ask_time and rng.random() < 0.7:
        low, high = LONG_VIDEO_SECONDS
    world = make_world(int(rng.integers(2**62)), int(rng.integers(low, high + 1)))
    if ask_time:
        return rehearse(world, time_question(world, rng))
    choices = event_questions(world)
    return rehearse(world, choices[int(rng.integers(len(choices)))])


def random_fragment(rng: np.random.Generator) -> Rehearsal:
    """One look and the turn after it, the rest left out: dense practice in reading frames.

    Half are single frames to read, half overviews of two to ten frames.
    """
    length = int(rng.integers(SHORT_VIDEO_SECONDS[0], SHORT_VIDEO_SECONDS[1] + 1))
    colours = [str(colour) for colour in rng.permutation(list(BORDER_COLOURS))]
    asked = f"What letter is on the sign while the border is {colours[0]}?"
    if rng.random() < 0.5:
        close = rng.random() < 0.3
        moments = [_moment(rng, colours[0], small_share=1.0 if close else 0.3)]
        width = SIDE_PIXELS if close else SIDE_PIXELS // 2
    else:
        borders: list[str | None] = [None] * int(rng.integers(2, 11))
        for colour in colours[int(rng.random() < 0.25) : int(rng.integers(1, 5))]:
            borders[int(rng.integers(len(borders)))] = colour
        moments = [_moment(rng, border, small_share=0.3) for border in borders]
        width = SIDE_PIXELS // 4
    times = np.sort(rng.choice(length // 2, size=len(moments), replace=False)) * 2
    look = [
        Sighting(label=_stamp(float(time)), width_pixels=width, moment=moment)
        for time, moment in zip(times, moments, strict=True)
    ]
    task = Task(question=asked, length_seconds=length)
    shown = tool_text([seen.label for seen in look], asked)
    turn = next_turn(task, [look])
    messages = (("user", _user_text(task)), ("tool", shown), ("assistant", turn))
    return Rehearsal(messages=messages, sightings=tuple(look))


def _moment(rng: np.random.Generator, border: str | None, *, small_share: float) -> Moment:
    low, high = SMALL_GLYPH_PIXELS if rng.random() < small_share else LARGE_GLYPH_PIXELS
    return Moment(
        letter=LETTERS[int(rng.integers(len(LETTERS)))],
        glyph_pixels=int(rng.integers(low, high + 1)),
        offset_pixels=(0, 0),
        border=border,
    )


def rehearse(world: World, question: Question) -> Rehearsal:
    """Play the teacher against the schedule until it answers."""
    task = Task(question=question.text, length_seconds=world.duration_seconds)
    messages = [("system", SYSTEM_TEXT), ("user", _user_text(task))]
    looks: list[list[Sighting]] = []
    while True:
        text = next_turn(task, looks)
        messages.append(("assistant", text))
        outcome = read_corrected(text, truncated=False)
        if not isinstance(outcome, Calls):
            seen = tuple(sighting for look in looks for sighting in look)
            return Rehearsal(messages=tuple(messages), sightings=seen)
        call = outcome.calls[0]
        looks.append(_look(world, call["arguments"]))
        messages.append(("tool", tool_text([seen.label for seen in looks[-1]], question.text)))


def tool_text(labels: Sequence[str], question: str) -> str:
    """The text of a tool message, an `IMAGE` mark for every frame."""
    frames = "\n".join(f"Frame {i} at [{label}]: {IMAGE}" for i, label in enumerate(labels))
    closing = CLOSINGS["continue"]
    return f"<tool_response>{frames}\n{closing}\n\nQuestion: {question}</tool_response>"


def overview_seconds(length_seconds: int, nframes: int) -> list[float]:
    """One time for each interval: the nearest key frame, or the centre where none is near."""
    spacing = length_seconds / nframes
    last_key = (length_seconds - 1) // KEY_INTERVAL_SECONDS * KEY_INTERVAL_SECONDS
    times: list[float] = []
    for index in range(nframes):
        centre = (index + 0.5) * spacing
        nearest = math.ceil(centre / KEY_INTERVAL_SECONDS - 0.5)  # the earlier one of two
        key = min(nearest * KEY_INTERVAL_SECONDS, last_key)
        times.append(key if abs(key - centre) <= spacing / 2 else centre)
    return times


def _user_text(task: Task) -> str:
    return (
        f"Video Length: {task.length_seconds} seconds. "
        f"Original video resolution: {SIDE_PIXELS}p. {task.question}"
    )


def _look(world: World, arguments: dict[str, Any]) -> list[Sighting]:
    if arguments["nframes"] == 1:
        times = [parse_time(arguments["start_time"])]
    else:
        times = overview_seconds(arguments["end_time"], arguments["nframes"])
    width = round(SIDE_PIXELS * arguments["resize"])
    return [
        Sighting(label=_stamp(time), width_pixels=width, moment=world.moment_at(time))
        for time in times
    ]


def _stamp(time_seconds: float) -> str:
    return f"{int(time_seconds) // 60:02d}:{int(time_seconds) % 60:02d}"
