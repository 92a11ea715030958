"""A run of the embedded nano, whose records hold token ids, grids and log-probabilities."""

from __future__ import annotations

import pytest

from eva_graph import VideoAgent
from eva_graph.trajectory import RunStore
from eva_graph_training.world.demo import demo_task
from eva_graph_training.world.render import render


@pytest.fixture(scope="session")
def nano_run(tmp_path_factory: pytest.TempPathFactory) -> RunStore:
    """Two questions on two synthetic videos; copy before you change anything."""
    folder = tmp_path_factory.mktemp("nano")
    agent = VideoAgent()
    for seed, kind in ((7, "event"), (8, "time")):
        world, question = demo_task(seed, kind)
        render(world, folder / f"{seed}.mp4")
        agent.run(folder / f"{seed}.mp4", question.text, record=folder / "run")
    return RunStore(folder / "run")
