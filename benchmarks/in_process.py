"""Questions a minute with a model in this process, by how many are asked at a time.

    python benchmarks/in_process.py --work DIR          10 minutes on two busy cores

Videos of nano's world are rendered into DIR once. Every round asks the same questions 1, 4 and 16
at a time, in shuffled order, through the graph and with a record, by the embedded nano or the
folder that `--policy` names. Figures are medians over the rounds: questions a minute of wall time,
and CPU seconds of the process for each question, which say more where the machine is busy. Threads
of torch are those that the environment gives (`OMP_NUM_THREADS`).
"""

from __future__ import annotations

import argparse
import asyncio
import random
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

from eva_graph.graph import build_graph
from eva_graph.policy.in_process import TransformersPolicy
from eva_graph.policy.limits_file import EMBEDDED_FOLDER
from eva_graph.state import Context
from eva_graph_training.world.sets import WorldSetPlan, video_file, world_set

_AT_A_TIME = (1, 4, 16)
_PLAN = WorldSetPlan(first_seed=99_000_000, short_videos=6, long_videos=2)


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """A question about a video, and the right answer."""

    video: Path
    text: str
    answer: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """What asking all questions once took, for each of them, and how many answers were right."""

    wall_seconds: float
    cpu_seconds: float
    right: int


def questions(folder: Path) -> list[Asked]:
    """All of the set, the videos rendered where the folder lacks them."""
    return [
        Asked(video=video_file(task, folder), text=one.text, answer=one.answer)
        for task in world_set(_PLAN)
        for one in task.questions
    ]


async def ask_all(policy: TransformersPolicy, asked: Sequence[Asked], at_a_time: int) -> int:
    """Answers that are right."""
    graph: Any = build_graph(policy)
    slots = asyncio.Semaphore(at_a_time)

    async def ask(one: Asked, run: str) -> bool:
        async with slots:
            state = {"video": str(one.video), "question": one.text}
            done = await graph.ainvoke(state, context=Context(record=run))
        return bool(done.get("answer") == one.answer)

    with tempfile.TemporaryDirectory() as run:
        return sum(await asyncio.gather(*(ask(one, run) for one in asked)))


def cost(policy: TransformersPolicy, asked: Sequence[Asked], at_a_time: int) -> Cost:
    """Of all questions, `at_a_time` at once."""
    wall, cpu = time.perf_counter(), time.process_time()
    right = asyncio.run(ask_all(policy, asked, at_a_time))
    return Cost(
        wall_seconds=(time.perf_counter() - wall) / len(asked),
        cpu_seconds=(time.process_time() - cpu) / len(asked),
        right=right,
    )


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--work", type=Path, required=True, help="folder for rendered videos")
    parser.add_argument("--policy", type=Path, default=EMBEDDED_FOLDER, help="model folder")
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    asked = questions(arguments.work / "world")
    policy = TransformersPolicy(arguments.policy)
    cost(policy, asked[:2], 1)  # loads the model
    costs: dict[int, list[Cost]] = {at_a_time: [] for at_a_time in _AT_A_TIME}
    for number in range(arguments.rounds):
        for at_a_time in random.Random(number).sample(_AT_A_TIME, len(_AT_A_TIME)):
            costs[at_a_time].append(cost(policy, asked, at_a_time))
    _print(costs, len(asked))


def _print(costs: dict[int, list[Cost]], asked: int) -> None:
    print("at a time   questions a minute    ratio   CPU s a question    ratio   right")
    alone = costs[_AT_A_TIME[0]]
    wall_alone = median(one.wall_seconds for one in alone)
    cpu_alone = median(one.cpu_seconds for one in alone)
    for at_a_time, rounds in costs.items():
        wall = median(one.wall_seconds for one in rounds)
        cpu = median(one.cpu_seconds for one in rounds)
        right = "/".join(str(one.right) for one in rounds)
        print(
            f"{at_a_time:9}   {60 / wall:18.0f}   x{wall_alone / wall:5.2f}"
            f"   {cpu:16.3f}   x{cpu_alone / cpu:5.2f}   {right} of {asked}"
        )


if __name__ == "__main__":
    main()
