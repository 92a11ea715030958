"""What our environment, collator and checks cost a training step over bare TRL.

    python benchmarks/training.py [--rounds 4] [--steps 2] [--stage sft|kto|grpo]

Both trainers stand in one process, with the same model (the embedded nano, whose steps are so cheap
that the overhead weighs most), the same rows, the same arguments and the same seed; they take turns
of `--steps` optimiser steps, in alternating order. The first round is told apart: in it the blind
control runs and the first batches are compared pixel by pixel.

* SFT: TRL's SFTTrainer and its own collator, without verification and callbacks.
* KTO: TRL's KTOTrainer with our collator, without verification. TRL's own vision collator is no
  yardstick: it encodes no image behind the prompt, and learns the tools' replies.
* GRPO: TRL's GRPOTrainer on rollouts of the same tokens, in an environment that replies from
  memory: it reads no video, parses nothing, counts nothing. Rollouts are the same in every round,
  so that from the second on our environment finds its frames in the store: what decoding them
  costs is in the first round, which is told apart.
"""

from __future__ import annotations

import argparse
import copy
import os
import tempfile
import time
import warnings
from collections.abc import Mapping, Sequence
from functools import wraps
from pathlib import Path
from statistics import mean
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("TRL_EXPERIMENTAL_SILENCE", "1")

from transformers import set_seed
from transformers.trainer_callback import PrinterCallback
from trl import GRPOTrainer, KTOTrainer, SFTTrainer

from eva_graph import VideoAgent
from eva_graph.trajectory import RunStore
from eva_graph_tools import Video
from eva_graph_training.collate import TrajectoryCollator
from eva_graph_training.env import VideoEnvironment
from eva_graph_training.format import prepare_processor
from eva_graph_training.recipe import Recipe, load_recipe
from eva_graph_training.rollouts import drop_empty_vision
from eva_graph_training.stages.grpo import grpo_trainer
from eva_graph_training.stages.kto import kto_trainer
from eva_graph_training.stages.run import StageRun
from eva_graph_training.stages.sft import sft_trainer
from eva_graph_training.world.sets import WorldSetPlan, video_file, world_set
from eva_graph_training.world.teacher_policy import TeacherPolicy

AIM = 1.10
STAGES = ("sft", "kto", "grpo")
PLAN = WorldSetPlan(first_seed=88_000_000, short_videos=3, long_videos=0, times_per_short=4)
Reply = list[dict[str, Any]]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=4)
    parser.add_argument("--steps", type=int, default=2)
    parser.add_argument("--stage", choices=STAGES, action="append")
    arguments = parser.parse_args()
    warnings.filterwarnings("ignore")
    with tempfile.TemporaryDirectory() as name:
        recipe = recipe_of(Path(name), recorded(Path(name)), arguments.steps)
        for stage in arguments.stage or STAGES:
            measure(stage, TRAINERS[stage](recipe), arguments.rounds)


def recorded(folder: Path) -> Path:
    """The teacher's episodes on three world videos, every third one undesirable."""
    run = folder / "run"
    for task in world_set(PLAN):
        path = video_file(task, folder)
        with Video.open(path) as video:
            worlds = {video.video_id: task.world}
        agent = VideoAgent(TeacherPolicy(worlds))
        for question in task.questions:
            agent.run(path, question.text, record=run)
    store = RunStore(run)
    answered = {"expected": "yes"}
    store.amend(
        [
            record.model_copy(update={**answered, "desirable": number % 3 != 0})
            for number, record in enumerate(store.records())
        ]
    )
    return run


def recipe_of(folder: Path, run: Path, steps: int) -> Recipe:
    """nano-cpu; nothing is learned, so that rollouts stay the same from round to round."""
    shared = [
        setting
        for stage in STAGES
        for setting in (
            f"{stage}.start=nano",
            f"{stage}.max_steps={steps}",
            f"{stage}.learning_rate=1.0e-12",
            f"{stage}.save_every_minutes=1000",
            f"{stage}.trackers=[]",
        )
    ]
    own = ["grpo.batch=2", "grpo.rollouts=4", "grpo.per_device_batch=8"]
    return load_recipe("nano-cpu", [f"work={folder / 'work'}", f"runs=['{run}']", *shared, *own])


def sft_trainers(recipe: Recipe) -> tuple[Any, Any]:
    """Ours, and TRL's own."""
    run = StageRun.of(recipe, "sft")
    ours: Any = sft_trainer(run)
    bare = SFTTrainer(
        model=run.model(),
        args=copy.copy(ours.args),
        train_dataset=ours.train_dataset,
        processing_class=run.processor(),
    )
    return ours, bare


def kto_trainers(recipe: Recipe) -> tuple[Any, Any]:
    """Ours, and TRL's with our collator."""
    run = StageRun.of(recipe, "kto")
    ours: Any = kto_trainer(run)
    processor = run.processor()
    bare = KTOTrainer(
        model=run.model(),
        args=copy.copy(ours.args),
        train_dataset=ours.train_dataset,
        processing_class=processor,
        data_collator=TrajectoryCollator(processor),
    )
    return ours, bare


def grpo_trainers(recipe: Recipe) -> tuple[Any, Any]:
    """Ours, and TRL's in environments that remember what ours replied."""
    run = StageRun.of(recipe, "grpo")
    memory: dict[tuple[str, ...], Reply] = {}
    ours: Any = grpo_trainer(run)
    make = ours.environment_factories[None]
    for environment in ours._environment_pool[None]:  # one was made already
        remembering(environment, memory)
    ours.environment_factories[None] = lambda: remembering(make(), memory)
    arguments = copy.copy(ours.args)
    arguments.reward_weights = None
    bare = GRPOTrainer(
        model=run.model(),
        args=arguments,
        train_dataset=ours.train_dataset,
        processing_class=prepare_processor(run.processor()),
        reward_funcs=[length_reward],
        environment_factory=lambda: FromMemory(memory),
    )
    drop_empty_vision(bare.model)
    return ours, bare


TRAINERS = {"sft": sft_trainers, "kto": kto_trainers, "grpo": grpo_trainers}


def length_reward(completions: Sequence[Any], **_: Any) -> list[float]:
    """The cheapest reward that differs."""
    return [float(len(str(completion[-1]["content"]))) for completion in completions]


def remembering(
    environment: VideoEnvironment, memory: dict[tuple[str, ...], Reply]
) -> VideoEnvironment:
    """An environment that writes down its replies, by video, question and the texts so far."""
    reset, turn, said = environment.reset, environment.turn, []

    @wraps(reset)
    def noted_reset(**row: Any) -> None:
        said[:] = [row["video"], row["question"]]
        reset(**row)

    @wraps(turn)
    def noted_turn(text: str, context_tokens: int) -> Reply:
        said.append(text)
        memory[tuple(said)] = turn(text, context_tokens)
        return memory[tuple(said)]

    environment.reset, environment.turn = noted_reset, noted_turn  # type: ignore[method-assign]
    return environment


class FromMemory:
    """Replies with what `VideoEnvironment` replied to the same texts."""

    def __init__(self, memory: Mapping[tuple[str, ...], Reply]) -> None:
        self._memory = memory

    def reset(self, video: str, question: str, **_: Any) -> None:
        """Begin a rollout."""
        self._said = [video, question]

    def turn(self, text: str, context_tokens: int) -> list[dict[str, Any]]:
        """Reply from memory.

        Args:
            text: The raw text of the assistant turn.
            context_tokens: Tokens of the transcript, this turn included.
        """
        self._said.append(text)
        if tuple(self._said) not in self._memory:
            raise SystemExit("the rollouts of both trainers differ: nothing can be compared")
        return self._memory[tuple(self._said)]


def measure(stage: str, trainers: tuple[Any, Any], rounds: int) -> None:
    """Train in turn and print the ratios."""
    names = ("ours", "TRL")
    sides = dict(zip(names, trainers, strict=True))
    taken: dict[str, list[tuple[float, float]]] = {name: [] for name in names}
    for number in range(rounds + 1):
        for name in names if number % 2 == 0 else names[::-1]:
            taken[name].append(trained(sides[name]))
    print(f"\n{stage}: seconds of {sides['ours'].args.max_steps} steps, CPU (wall)")
    for name in names:
        cells = "  ".join(f"{cpu:.2f} ({wall:.2f})" for cpu, wall in taken[name])
        print(f"  {name:5}{cells}")
    for place, unit in enumerate(("CPU", "wall")):
        ours, bare = (mean(pair[place] for pair in taken[name][1:]) for name in names)
        met = (
            ""
            if place
            else f", aim {AIM - 1:.0%} or less: {'met' if ours <= AIM * bare else 'missed'}"
        )
        print(f"  overhead, {unit}: {ours / bare - 1:+.1%}{met}")
    once = taken["ours"][0][0] - mean(cpu for cpu, _ in taken["ours"][1:])
    print(
        f"  once, before and in the first steps: {once:.2f} CPU s, warming up included", flush=True
    )


def trained(trainer: Any) -> tuple[float, float]:
    """CPU and wall seconds of one `train`."""
    trainer.remove_callback(PrinterCallback)
    set_seed(1)
    cpu, wall = time.process_time(), time.perf_counter()
    trainer.train()
    return time.process_time() - cpu, time.perf_counter() - wall


if __name__ == "__main__":
    main()
