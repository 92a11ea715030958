"""Two steps of a stage with its memory, time and tokens, for `gpu_training.py`.

Training is the package's own: `run_stage` with the stage's own trainer, and a clock added to it.
The first step has the blind control before it, so the second one is the stage's step time.
"""

from __future__ import annotations

import resource
import shutil
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import torch
import yaml
from transformers import TrainerCallback

from eva_graph_training.recipe import Recipe, StageName, load_recipe
from eva_graph_training.stages.grpo import grpo_trainer
from eva_graph_training.stages.kto import kto_trainer
from eva_graph_training.stages.run import StageRun, Trained, run_stage
from eva_graph_training.stages.sft import sft_trainer

_GIB = 2**30
_BUILD: dict[StageName, Callable[[StageRun], Any]] = {
    "sft": sft_trainer,
    "kto": kto_trainer,
    "grpo": grpo_trainer,
}
_EVERY: dict[str, Any] = {
    "max_steps": 2, "max_tokens": 16_384, "precision": "bf16", "activation_checkpointing": True,
    "lora": {"rank": 64, "alpha": 128}, "trackers": [], "transcripts": 0, "warmup_share": 0.0,
    "learning_rate": 1.0e-5, "batch": 1,
}  # fmt: skip


@dataclass(slots=True, eq=False)
class StepClock(TrainerCallback):
    """Measures the steps of a trainer, and stops it at a time.

    Attributes:
        until: of `time.monotonic`; training ends after the step that passes it.
        keep: called with the figures after each step.
    """

    until: float = float("inf")
    keep: Callable[[dict[str, Any]], None] | None = None
    trainer: Any = None
    seconds: list[float] = field(default_factory=list)
    tokens: int = 0
    peak_bytes: int = 0
    _began: float = 0.0

    def watch(self, trainer: Any) -> None:
        """Begin to count; peak memory is counted from here on."""
        self.trainer = trainer
        trainer.add_callback(self)
        trainer.model.register_forward_pre_hook(self._count, with_kwargs=True)
        if torch.cuda.is_available():
            torch.cuda.reset_peak_memory_stats()

    def on_step_begin(self, *_: Any, **__: Any) -> None:
        """The clock starts."""
        self.tokens = 0
        self._began = _now()

    def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """The clock stops."""
        self.seconds.append(_now() - self._began)
        self.peak_bytes = _peak_bytes()
        control.should_training_stop |= time.monotonic() > self.until
        if self.keep is not None:
            self.keep(self.figures())

    def figures(self) -> dict[str, Any]:
        """What was measured; memory in GiB, of the process where there is no GPU."""
        return {
            "peak_gib": self.peak_bytes / _GIB,
            "first_step_seconds": self.seconds[0],
            "step_seconds": self.seconds[-1],
            "steps": len(self.seconds),
            "tokens_a_step": self.tokens,
            "blind_control": str(self.trainer.sight or "no frame was seen yet"),
        }

    def _count(self, _: Any, __: Any, inputs: dict[str, Any]) -> None:
        if torch.is_grad_enabled() and "input_ids" in inputs:
            self.tokens += inputs["input_ids"].numel()


def timed(recipe: Recipe, name: StageName, clock: StepClock) -> Trained:
    """Train a stage as `train_stage` does, with a clock."""
    return run_stage(recipe, name, partial(_watched, build=_BUILD[name], clock=clock))


def write_recipe(file: Path, model: Path, episodes: Path) -> None:
    """A recipe whose stages all begin at the same model."""
    stage = {**_EVERY, "start": str(model)}
    grpo = {"data": [str(episodes / "grpo")], "rollouts": 2}
    recipe = {
        "summary": "two steps of each stage at 16k tokens with images",
        "work": str(file.parent / "train"),
        "model": str(model),
        "runs": [str(episodes / "run")],
        "episode": {"max_turns": 2, "max_new_tokens": 32},
        "sft": stage,
        "kto": {**stage, "batch": 2, "per_device_batch": 2},
        "grpo": {
            **stage, **grpo,
            "generation": {"engine": "graph"}, "rewards": {"self_verification": False},
        },
    }  # fmt: skip
    file.write_text(yaml.safe_dump(recipe, sort_keys=False), encoding="utf-8")


def measured(part: str, folder: Path, keep: Callable[[dict[str, Any]], None]) -> dict[str, Any]:
    """Train `sft`, `kto` or `grpo`, or play `on_policy` rollouts.

    SFT goes to its end, a merged model folder, which is removed: a 7B takes 16 GB. The others stop
    before that: merging and writing are no work for a GPU.

    Args:
        part: one of these.
        folder: holds `recipe.yaml`.
        keep: called with what is known after each step.
    """
    name: StageName = "grpo" if part == "on_policy" else part  # type: ignore[assignment]
    recipe = load_recipe(folder / "recipe.yaml", _changes(part, folder))
    shutil.rmtree(folder / "train", ignore_errors=True)  # of a part that was stopped
    clock, started = StepClock(keep=keep), time.monotonic()
    if name == "sft":
        timed(recipe, name, clock)
    else:
        _watched(StageRun.of(recipe, name), _BUILD[name], clock).train()
    shutil.rmtree(recipe.folder(name))
    return clock.figures() | {"stage_seconds": time.monotonic() - started}


def _changes(part: str, folder: Path) -> list[str]:
    if part != "on_policy":
        return []
    return [
        f"work={folder / 'on_policy'}", f"grpo.data=['{folder / 'episodes' / 'questions.jsonl'}']",
        "grpo.generation.engine=transformers", "grpo.max_steps=1", "grpo.per_device_batch=2",
    ]  # fmt: skip


def _watched(run: StageRun, build: Callable[[StageRun], Any], clock: StepClock) -> Any:
    trainer = build(run)
    clock.watch(trainer)
    return trainer


def _now() -> float:
    if torch.cuda.is_available():
        torch.cuda.synchronize()
    return time.perf_counter()


def _peak_bytes() -> int:
    if torch.cuda.is_available():
        return torch.cuda.max_memory_allocated()
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit
