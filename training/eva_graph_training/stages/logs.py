"""What a training says while it runs: a line of JSON a step, a bar, and a stop where it breaks."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments

from eva_graph_training.errors import TrainingError

_MUST_BE_FINITE = ("loss", "grad_norm")
_LINES_OF_A_RUN = 20


class LogFile(TrainerCallback):
    """Appends every logged value to a file, each step once: what a killed run logged after its
    last checkpoint goes when the run goes on.
    """

    def __init__(self, path: Path) -> None:
        self._path = path

    def on_train_begin(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any
    ) -> None:
        """Drop what lies beyond the step that training goes on from."""
        if not state.is_world_process_zero:
            return
        kept = [line for line in read_log(self._path) if line["step"] <= state.global_step]
        self._path.parent.mkdir(parents=True, exist_ok=True)
        self._path.write_text("".join(map(_line, kept)), encoding="utf-8")

    def on_log(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        logs: Mapping[str, Any] | None = None,
        **_: Any,
    ) -> None:
        """Write the values."""
        if state.is_world_process_zero and logs:
            with self._path.open("a", encoding="utf-8") as file:
                file.write(_line({"step": state.global_step, **logs}))


def read_log(path: Path) -> list[dict[str, Any]]:
    """The lines of a log in their order; a last one that was cut short is left out."""
    lines: list[dict[str, Any]] = []
    if path.is_file():
        for text in path.read_text(encoding="utf-8").splitlines():
            try:
                lines.append(json.loads(text))
            except ValueError:
                break
    return lines


class StopWhereBroken(TrainerCallback):
    """Ends a run whose loss or gradients are no numbers any more."""

    def on_log(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        logs: Mapping[str, Any] | None = None,
        **_: Any,
    ) -> None:
        """Raises `TrainingError`."""
        for name in _MUST_BE_FINITE:
            value = (logs or {}).get(name)
            if isinstance(value, float) and not math.isfinite(value):
                raise TrainingError(
                    f"{name} is {value} at step {state.global_step}: start the stage anew with a "
                    "lower learning_rate, or with precision=fp32"
                )


class ShowProgress(TrainerCallback):
    """A bar with the last loss on a terminal; elsewhere about twenty lines a run."""

    def __init__(self, console: Console, title: str) -> None:
        self._console = console
        columns = (
            TextColumn(title),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[values]}"),
            TimeRemainingColumn(),
        )
        hidden = console.quiet or not console.is_terminal
        self._title = title
        self._bar = Progress(*columns, console=console, transient=True, disable=hidden)
        self._task = self._bar.add_task(title, values="")

    def on_train_begin(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any
    ) -> None:
        """Show the bar."""
        self._bar.start()
        self._bar.update(self._task, completed=state.global_step, total=state.max_steps)

    def on_step_end(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any
    ) -> None:
        """Move it."""
        self._bar.update(self._task, completed=state.global_step)

    def on_log(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        logs: Mapping[str, Any] | None = None,
        **_: Any,
    ) -> None:
        """Show loss or reward."""
        shown = [f"{key} {logs[key]:.4g}" for key in ("loss", "reward") if logs and key in logs]
        if not shown:
            return
        values = " ".join(shown)
        self._bar.update(self._task, values=values)
        rarely = max(1, state.max_steps // _LINES_OF_A_RUN)
        if self._bar.disable and state.global_step % rarely == 0:
            line = f"{self._title} {state.global_step}/{state.max_steps} {values}"
            self._console.print(line, markup=False)

    def on_train_end(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any
    ) -> None:
        """Take the bar away."""
        self._bar.stop()


def _line(values: Mapping[str, Any]) -> str:
    return json.dumps(values) + "\n"
