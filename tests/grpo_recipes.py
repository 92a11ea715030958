"""GRPO small enough for one core: the embedded nano, made uncertain, on videos of its own world."""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from transformers import TrainerCallback
from trl_steps import batches_of

from eva_graph.policy.processor import load_model
from eva_graph_training.recipe import Recipe, load_recipe
from eva_graph_training.recipe.schema import model_folder
from eva_graph_training.world.sets import WorldSetPlan, video_file, world_set

EVERY_STEP = "grpo.save_every_minutes=1.0e-9"
_NOISE = 0.7
"""Of a weight's own spread: looks and answers go wrong now and then, so that rewards differ."""


def uncertain_nano(folder: Path) -> Path:
    """A copy of the embedded model whose language layers are disturbed; always the same one."""
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


def write_questions(folder: Path) -> Path:
    """One world video with four questions about times, as JSON lines beside it."""
    plan = WorldSetPlan(
        first_seed=77_000_000, short_videos=1, long_videos=0, times_per_short=4, events_per_short=0
    )
    (task,) = world_set(plan)
    video = video_file(task, folder)
    lines = [
        {"video": video.name, "question": question.text, "answer": question.answer}
        for question in task.questions
    ]
    file = folder / "questions.jsonl"
    file.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return file


def small(work: Path, start: Path, data: Path, changes: Sequence[str] = ()) -> Recipe:
    """Two questions with four rollouts each in a step, the vision tower trained too."""
    return load_recipe(
        "nano-cpu",
        [
            f"work={work}", f"grpo.start={start}", f"grpo.data=['{data}']",
            "episode.max_new_tokens=100", "grpo.batch=2", "grpo.rollouts=4",
            "grpo.per_device_batch=4", "grpo.learning_rate=1.0e-4", "grpo.warmup_share=0",
            "grpo.beta=0.04", "grpo.train_vision=true", "grpo.trackers=[]", *changes,
        ],
    )  # fmt: skip


def stopped_after(steps: int, trainer: Any) -> list[dict[str, Any]]:
    """Train some steps and leave it at that; the batches of rollouts that were made."""

    class Stop(TrainerCallback):
        def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
            control.should_training_stop = state.global_step >= steps

    trainer.add_callback(Stop())
    batches = batches_of(trainer)
    trainer.train()
    return batches
