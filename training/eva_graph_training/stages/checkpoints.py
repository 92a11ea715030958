"""Checkpoints that are whole or do not count, saved by the clock.

The trainer writes a checkpoint file by file, so a process that is killed leaves half of one. Ours
counts once it is sealed: a last small file, written after every process has written its part.
Older ones go only after that, so at any moment the newest sealed one is there to go on from.
"""

from __future__ import annotations

import shutil
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from accelerate.utils import broadcast_object_list
from transformers import Trainer, TrainerCallback, TrainerControl, TrainerState, TrainingArguments

_PREFIX = "checkpoint-"
_SEAL = "whole"
_WRITTEN_WHOLE = ("model", "adapter")
"""Folders that `new_folder` writes beside their place, under their name with a dot before it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Checkpoints:
    """The checkpoints in a stage's folder, by step."""

    folder: Path

    def path(self, step: int) -> Path:
        """Where the checkpoint of a step lies, as TRL names it."""
        return self.folder / f"{_PREFIX}{step}"

    def last(self) -> int | None:
        """The step of the newest that is whole."""
        return max((step for step in self._steps() if self._is_whole(step)), default=None)

    def seal(self, step: int) -> None:
        """All of it is written."""
        (self.path(step) / _SEAL).touch()

    def drop_broken(self) -> None:
        """Remove what a killed process left half written."""
        for step in self._steps():
            if not self._is_whole(step):
                shutil.rmtree(self.path(step))
        for name in _WRITTEN_WHOLE:
            for half in self.folder.glob(f".{name}.*"):
                shutil.rmtree(half)

    def rotate(self, keep: int) -> None:
        """Remove all but the newest `keep`."""
        for step in sorted(filter(self._is_whole, self._steps()))[:-keep]:
            (self.path(step) / _SEAL).unlink()
            shutil.rmtree(self.path(step))

    def _steps(self) -> list[int]:
        names = (path.name.removeprefix(_PREFIX) for path in self.folder.glob(f"{_PREFIX}*"))
        return [int(name) for name in names if name.isdecimal()]

    def _is_whole(self, step: int) -> bool:
        return (self.path(step) / _SEAL).is_file()


class TimedCheckpoints(TrainerCallback):
    """Saves when the last checkpoint is `every_minutes` old, and keeps the newest `keep`.

    The first process looks at the clock for all: saving is something that they do together.
    """

    def __init__(self, checkpoints: Checkpoints, *, every_minutes: float, keep: int) -> None:
        self._checkpoints = checkpoints
        self._every_seconds = every_minutes * 60
        self._keep = keep
        self._saved = time.monotonic()

    def on_train_begin(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any
    ) -> None:
        """The clock starts."""
        self._saved = time.monotonic()

    def on_step_end(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any
    ) -> None:
        """Ask for a checkpoint where one is due; the model itself follows the last step."""
        due = [time.monotonic() - self._saved >= self._every_seconds]
        if args.world_size > 1:
            broadcast_object_list(due)
        if due[0] and state.global_step < state.max_steps:
            control.should_save = True

    def on_save(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any
    ) -> None:
        """Seal what was saved."""
        if args.world_size > 1:
            args.distributed_state.wait_for_everyone()
        if state.is_world_process_zero:
            self._checkpoints.seal(state.global_step)
            self._checkpoints.rotate(self._keep)
        self._saved = time.monotonic()


class StageTrainer(Trainer):
    """A base beside TRL's trainers, for models that `start.build_model` made."""

    def _load_from_checkpoint(self, resume_from_checkpoint: str, model: Any = None) -> None:
        """Load adapters and shards alone: whole weights came from the checkpoint already.

        Trainer's way loads nothing into a Qwen2.5-VL, whose saved names differ from its live ones
        (transformers 5.23), and only warns.
        """
        if self.is_fsdp_enabled or hasattr(self.model, "peft_config"):
            super()._load_from_checkpoint(resume_from_checkpoint, model)

    def create_model_card(self, *_: Any, **__: Any) -> None:
        """None: the stage's own report says what was trained."""
