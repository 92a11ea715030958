"""Sets of world videos with questions: which seeds, how long, and the files of a folder.

A set is a pure function of its plan. Videos of one to three minutes carry questions on events and
on times, videos of up to ten minutes questions on times. Sets whose seeds do not overlap share
nothing.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from eva_graph_training.world.questions import Question, event_questions, time_question
from eva_graph_training.world.render import render
from eva_graph_training.world.schedule import World, make_world

SHORT_SECONDS, LONG_SECONDS = (60, 180), (181, 600)


@dataclass(frozen=True, slots=True, kw_only=True)
class WorldSetPlan:
    """How many videos of each length and how many questions on each."""

    first_seed: int
    short_videos: int
    long_videos: int
    times_per_short: int = 1
    events_per_short: int = 4
    times_per_long: int = 6


@dataclass(frozen=True, slots=True, kw_only=True)
class WorldTask:
    """One video with its questions."""

    world: World
    questions: tuple[Question, ...]

    @property
    def file_name(self) -> str:
        """The name under which the video is kept."""
        return f"world-{self.world.seed}-{self.world.duration_seconds}s.mp4"


def world_set(plan: WorldSetPlan) -> Iterator[WorldTask]:
    """The videos of a plan in order, long ones first."""
    for number in range(plan.long_videos + plan.short_videos):
        long = number < plan.long_videos
        seed = plan.first_seed + number
        rng = np.random.default_rng((seed, 1))
        low, high = LONG_SECONDS if long else SHORT_SECONDS
        world = make_world(seed, int(rng.integers(low, high + 1)))
        times = plan.times_per_long if long else plan.times_per_short
        questions = [time_question(world, rng) for _ in range(times)]
        if not long:
            questions += event_questions(world)[: plan.events_per_short]
        yield WorldTask(world=world, questions=tuple(questions))


def video_file(task: WorldTask, folder: Path) -> Path:
    """The rendered video, rendered now where the folder lacks it."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / task.file_name
    if not path.exists():
        render(task.world, path)
    return path
