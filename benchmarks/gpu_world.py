"""The `nano-gpu` recipe, cut to minutes, for `gpu_training.py`.

Videos of the synthetic world are rendered and played by its teacher in processes of their own. The
chain starts from nano with disturbed language layers, so that there is something to learn; after
each stage processes on the CPU answer held-out questions while the GPU trains the next one.
"""

from __future__ import annotations

import json
import multiprocessing
import os
import shutil
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from eva_graph import Context, VideoAgent
from eva_graph.testing import ScriptedPolicy
from eva_graph.trajectory import RunStore
from eva_graph_training.nano.play import play
from eva_graph_training.recipe import StageName, load_recipe
from eva_graph_training.recipe.schema import model_folder
from eva_graph_training.world.sets import WorldSetPlan, WorldTask, video_file, world_set

_TRAINING_SEED, _HELD_OUT_SEED = 78_000_000, 79_000_000
_SEEDS_APART = 1000
_NOISE = 0.7
"""Of a weight's own spread."""
_EVAL_SECONDS = 45
"""Kept for the last answers."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Scale:
    """How much is trained.

    Attributes:
        shards: run directories, each played by one process.
        videos: in each of them, three questions on each.
        held_out: questions of each process that evaluates.
        changes: of the recipe.
        shares: of the time, for SFT, KTO and GRPO.
    """

    shards: int
    videos: int
    held_out: int
    changes: tuple[str, ...] = ()
    shares: tuple[float, float, float] = (0.35, 0.25, 0.4)

    @property
    def processes(self) -> int:
        """At once."""
        return min(self.shards, max((os.cpu_count() or 2) - 2, 1))


_CHANGES = (
    "sft.trackers=[]", "kto.trackers=[]", "grpo.trackers=[]", "sft.transcripts=0",
    "kto.transcripts=0", "grpo.transcripts=0", "episode.max_new_tokens=120",
)  # fmt: skip
LARGE = Scale(
    shards=14, videos=10, held_out=6,
    changes=(
        "sft.max_steps=60", "kto.max_steps=20", "grpo.max_steps=12", "grpo.batch=8",
    ),
)  # fmt: skip
SMALL = Scale(
    shards=1, videos=2, held_out=1,
    changes=(
        "sft.max_steps=1", "sft.batch=2", "sft.per_device_batch=2", "kto.max_steps=1",
        "kto.batch=2", "kto.per_device_batch=2", "grpo.max_steps=1", "grpo.batch=1",
        "grpo.rollouts=2", "grpo.per_device_batch=2", "episode.max_turns=3",
    ),
)  # fmt: skip


def write_worlds(folder: Path, scale: Scale) -> dict[str, Any]:
    """Render and play all shards, and render the held-out videos."""
    started = time.monotonic()
    with _pool(scale) as pool:
        kept = [pool.submit(_render, _held_out(shard, scale), folder) for shard in _shards(scale)]
        played = [pool.submit(_play, shard, folder, scale) for shard in _shards(scale)]
        for each in kept:
            each.result()
        rows = [row for shard in played for row in shard.result()]
    lines = "".join(json.dumps(row) + "\n" for row in rows)
    (folder / "questions.jsonl").write_text(lines, encoding="utf-8")
    return {"questions": len(rows), "seconds": time.monotonic() - started}


def train_nano(
    folder: Path, scale: Scale, until: float, keep: Callable[[dict[str, Any]], None]
) -> dict[str, Any]:
    """SFT, KTO and GRPO of `nano-gpu`, each within its share of the time.

    Args:
        folder: of `write_worlds`.
        scale: the same.
        until: of `time.monotonic`; answers to held-out questions are counted in.
        keep: called with all that is known so far, whenever there is more.
    """
    from gpu_stages import StepClock, timed

    with _pool(scale) as pool:
        start = _disturbed(folder / "start")
        scores = {"before": _asked(pool, start, "before", folder, scale)}
        recipe = load_recipe("nano-gpu", _recipe_changes(folder, scale, start))
        begun, stages = time.monotonic(), {}
        room, spent = max(until - begun - _EVAL_SECONDS, 1.0), 0.0
        names: tuple[StageName, ...] = ("sft", "kto", "grpo")
        for name, share in zip(names, scale.shares, strict=True):
            spent += share
            clock = StepClock(until=begun + spent * room)
            trained = timed(recipe, name, clock)
            stages[name] = clock.figures() | {"stage_seconds": trained.seconds}
            scores[name] = _asked(pool, trained.model, name, folder, scale)
            keep({"stages": stages})
        accuracy: dict[str, Any] = {}
        for of, asked in scores.items():
            accuracy[of] = _share(asked)
            keep({"stages": stages, "accuracy": accuracy})
    return {"stages": stages, "accuracy": accuracy}


def _shards(scale: Scale) -> range:
    return range(scale.shards)


def _pool(scale: Scale) -> ProcessPoolExecutor:
    """Fresh processes: one that has the GPU's driver loaded must not be forked."""
    spawn = multiprocessing.get_context("spawn")
    return ProcessPoolExecutor(scale.processes, mp_context=spawn)


def _training(shard: int, scale: Scale) -> WorldSetPlan:
    return WorldSetPlan(
        first_seed=_TRAINING_SEED + _SEEDS_APART * shard,
        short_videos=scale.videos, long_videos=0, times_per_short=2, events_per_short=1,
    )  # fmt: skip


def _held_out(shard: int, scale: Scale) -> WorldSetPlan:
    return WorldSetPlan(
        first_seed=_HELD_OUT_SEED + _SEEDS_APART * shard,
        short_videos=1, long_videos=0, times_per_short=(scale.held_out + 1) // 2,
        events_per_short=scale.held_out // 2,
    )  # fmt: skip


def _render(plan: WorldSetPlan, folder: Path) -> None:
    for task in world_set(plan):
        video_file(task, folder / "videos")


def _play(shard: int, folder: Path, scale: Scale) -> list[dict[str, str]]:
    """Let the teacher play a shard and add blind guesses; its questions on times."""
    plan, run, videos = _training(shard, scale), folder / f"run{shard}", folder / "videos"
    tally = play(plan, videos=videos, run=run)
    if tally.wrong:
        raise RuntimeError(f"the teacher was wrong: {tally.wrong[0]}")
    tasks = list(world_set(plan))
    for task in tasks:
        _guess(task, videos, run)
    answers = {
        (one.file_name, asked.text): asked.answer for one in tasks for asked in one.questions
    }
    store = RunStore(run)
    store.amend(
        record.model_copy(update={"expected": right, "desirable": record.answer == right})
        for record in list(store.records())
        for right in [answers[Path(record.video.path).name, record.question]]
    )
    return [
        {
            "video": str((videos / one.file_name).absolute()),
            "question": asked.text,
            "answer": asked.answer,
        }
        for one in tasks
        for asked in one.questions
    ]


def _guess(task: WorldTask, videos: Path, run: Path) -> None:
    """A wrong answer without a look to each question but the first."""
    for question in task.questions[1:]:
        wrong = "A" if question.answer != "A" else "B"
        policy = ScriptedPolicy([f"Reflection: I guess.\n<answer>{wrong}</answer>"])
        VideoAgent(policy).run(
            video_file(task, videos), question.text, context=Context(record=str(run))
        )


def _disturbed(folder: Path) -> Path:
    """A copy of nano that errs now and then; always the same one."""
    import torch

    from eva_graph.policy.processor import load_model

    shutil.copytree(model_folder("nano"), folder)
    model: Any = load_model(folder)
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for weight in model.model.language_model.layers.parameters():
            if weight.ndim == 2:
                noise = torch.randn(weight.shape, generator=generator)
                weight.add_(noise * weight.std() * _NOISE)
    config = (folder / "config.json").read_bytes()
    model.save_pretrained(folder)
    (folder / "config.json").write_bytes(config)
    return folder


def _recipe_changes(folder: Path, scale: Scale, start: Path) -> list[str]:
    runs = ", ".join(f"'{folder / f'run{shard}'}'" for shard in _shards(scale))
    given = [f"work={folder / 'train'}", f"model={start}", f"runs=[{runs}]"]
    return [*given, f"grpo.data=['{folder / 'questions.jsonl'}']", *_CHANGES, *scale.changes]


def _asked(
    pool: ProcessPoolExecutor, model: Path, name: str, folder: Path, scale: Scale
) -> list[Future[tuple[int, int]]]:
    ask: Callable[..., tuple[int, int]] = _ask
    return [
        pool.submit(ask, model, _held_out(shard, scale), folder, f"{name}{shard}")
        for shard in _shards(scale)
    ]


def _ask(model: Path, plan: WorldSetPlan, folder: Path, name: str) -> tuple[int, int]:
    """Right answers and questions."""
    from eva_graph.policy.in_process import TransformersPolicy
    from eva_graph_training.nano.evaluate import ask_all

    policy = TransformersPolicy(model, device="cpu")
    outcomes = ask_all(
        policy, plan, videos=folder / "videos", run=folder / "held_out" / name, frames="true"
    )
    return sum(one.right for one in outcomes), len(outcomes)


def _share(asked: Sequence[Future[tuple[int, int]]]) -> dict[str, float]:
    from eva_graph_training.nano.evaluate import wilson_interval

    counts = [each.result() for each in asked]
    right, questions = (sum(column) for column in zip(*counts, strict=True))
    low, high = wilson_interval(right, questions)
    return {"right": right, "questions": questions, "low": low, "high": high}
