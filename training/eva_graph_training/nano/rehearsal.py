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
from eva_graph_training.world.scene import SIDE_PIXELS
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


def rehearse(world: World, question: Question) -> Rehearsal:
    """Play the teacher against the schedule until it answers."""
    task = Task(question=question.text, length_seconds=world.duration_seconds)
    messages = [("system", SYSTEM_TEXT), ("user", user_text(task))]
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


def user_text(task: Task) -> str:
    """The text of the first user message."""
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
        Sighting(label=stamp(time), width_pixels=width, moment=world.moment_at(time))
        for time in times
    ]


def stamp(time_seconds: float) -> str:
    """The label of a frame at a whole second, `mm:ss`."""
    return f"{int(time_seconds) // 60:02d}:{int(time_seconds) % 60:02d}"
