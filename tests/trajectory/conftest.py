"""A run of the embedded nano, whose records hold token ids, grids and log-probabilities."""

from __future__ import annotations

import pytest

from eva_graph import VideoAgent
from eva_graph.policy.protocol import Completion, PolicyInfo, PolicyRequest
from eva_graph.trajectory import RunStore
from eva_graph_training.world.demo import demo_task
from eva_graph_training.world.render import render

Call = tuple[PolicyRequest, Completion]


class Overheard:
    """A policy that notes what it was given and what it gave."""

    def __init__(self) -> None:
        self._policy = VideoAgent().policy
        self.calls: list[Call] = []

    @property
    def info(self) -> PolicyInfo:
        return self._policy.info

    def generate(self, request: PolicyRequest) -> Completion:
        completion = self._policy.generate(request)
        self.calls.append((request, completion))
        return completion

    async def agenerate(self, request: PolicyRequest) -> Completion:
        return self.generate(request)


@pytest.fixture(scope="session")
def _nano(tmp_path_factory: pytest.TempPathFactory) -> tuple[RunStore, list[Call]]:
    folder = tmp_path_factory.mktemp("nano")
    policy = Overheard()
    agent = VideoAgent(policy)
    for seed, kind in ((7, "event"), (8, "time")):
        world, question = demo_task(seed, kind)
        render(world, folder / f"{seed}.mp4")
        agent.run(folder / f"{seed}.mp4", question.text, record=folder / "run")
    return RunStore(folder / "run"), policy.calls


@pytest.fixture
def nano_run(_nano: tuple[RunStore, list[Call]]) -> RunStore:
    """Two questions on two synthetic videos; copy it before you change anything."""
    return _nano[0]


@pytest.fixture
def nano_calls(_nano: tuple[RunStore, list[Call]]) -> list[Call]:
    """What nano was given and what it gave, in order."""
    return _nano[1]
