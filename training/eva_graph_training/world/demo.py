"""The world and the question that `eva-graph demo` shows for a seed."""

from __future__ import annotations

import numpy as np

from eva_graph_training.world.questions import Question, event_questions, time_question
from eva_graph_training.world.schedule import World, make_world

# Far from every set that nano was trained or tested on.
_FIRST_SEED = 90_000_000
_SECONDS = (80, 160)


def demo_task(seed: int, kind: str) -> tuple[World, Question]:
    """A video of 80 to 160 s and one question on it: equal seeds give equal ones."""
    rng = np.random.default_rng((_FIRST_SEED, seed))
    world = make_world(_FIRST_SEED + seed, int(rng.integers(*_SECONDS)))
    if kind == "time":
        return world, time_question(world, rng)
    events = event_questions(world)
    return world, events[int(rng.integers(len(events)))]
