"""One stage from its recipe to its model folder; what the three have in common, in order."""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable, Mapping
from contextlib import nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from accelerate import PartialState
from datasets import Dataset, disable_progress_bars
from peft import PeftModel
from rich.console import Console
from torch.utils.tensorboard import SummaryWriter
from transformers import PreTrainedModel, Trainer, TrainerCallback
from transformers.integrations.integration_utils import TensorBoardCallback
from transformers.trainer_callback import PrinterCallback
from transformers.utils.logging import disable_progress_bar

from eva_graph.commands.counted import counted
from eva_graph.policy.processor import ImageOnlyProcessor, load_processor
from eva_graph.trajectory.versions import installed_versions
from eva_graph_training.errors import TrainingError
from eva_graph_training.export.row import Form
from eva_graph_training.recipe import Recipe, Stage, StageName
from eva_graph_training.sole_process import sole_process
from eva_graph_training.stage_report import held_out_questions, report_stage
from eva_graph_training.stage_report.facts import machine
from eva_graph_training.stages.arguments import Config, stage_arguments
from eva_graph_training.stages.checkpoints import Checkpoints, TimedCheckpoints
from eva_graph_training.stages.devices import Devices, Precision
from eva_graph_training.stages.folder import (
    StageFolder,
    fingerprint,
    require_same,
    settings_of,
)
from eva_graph_training.stages.logs import LogFile, ShowProgress, StopWhereBroken
from eva_graph_training.stages.rows import StageRows
from eva_graph_training.stages.saving import save_trained
from eva_graph_training.stages.start import build_model, require_whole


@dataclass(frozen=True, slots=True, kw_only=True)
class Trained:
    """What a stage left.

    Attributes:
        model: folder of the trained model.
        steps: optimiser steps in all.
        rows: trained on, each once an epoch.
        seconds: that this call trained.
        already: whether the stage was finished before.
    """

    model: Path
    steps: int
    rows: int
    seconds: float = 0.0
    already: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class StageRun:
    """A stage under way: what its trainer is built from.

    Attributes:
        name, recipe, stage: what is trained, and how.
        start: model folder of its start, which is also the reference of KTO and GRPO.
        folder: where everything goes.
        resumed: step of the checkpoint that it goes on from; None: it begins.
        state: content of `stage.json`.
    """

    name: StageName
    recipe: Recipe
    stage: Stage
    start: Path
    folder: StageFolder
    devices: Devices
    precision: Precision
    resumed: int | None
    state: dict[str, Any] = field(default_factory=dict)

    @classmethod
    def of(cls, recipe: Recipe, name: StageName) -> StageRun:
        """The run of a stage: begun, also where one stopped before its first checkpoint; or gone on
        with.

        Raises:
            RecipeError: its folder was begun with other settings.
            TrainingError: the folder cannot be read, or the devices not used.
        """
        folder = StageFolder(path=recipe.folder(name))
        stage, devices = recipe.stage(name), Devices.found()
        settings = settings_of(recipe, name)
        resumed = Checkpoints(folder=folder.path).last()
        state = folder.read()
        if state is None or (resumed is None and state.get("status") != "finished"):
            state = {"stage": name, "status": "begun", "settings": settings}
        require_same(folder, state["settings"], settings, "setting")
        return cls(
            name=name,
            recipe=recipe,
            stage=stage,
            start=recipe.start(name),
            folder=folder,
            devices=devices,
            precision=devices.precision(stage.precision),
            resumed=resumed,
            state=state,
        )

    @property
    def console(self) -> Console:
        """For news; silent in every process but the first."""
        return self.devices.console()

    @property
    def checkpoint(self) -> Path | None:
        """The checkpoint that training goes on from."""
        if self.resumed is None:
            return None
        return Checkpoints(folder=self.folder.path).path(self.resumed)

    @property
    def resume_from(self) -> str | None:
        """The same, as `Trainer.train` takes it."""
        return None if self.checkpoint is None else str(self.checkpoint)

    def arguments(self, config: type[Config], **own: Any) -> Config:
        """TRL's configuration; see `stage_arguments`. Make it first: it joins the processes."""
        return stage_arguments(config, self.name, self.stage, self.folder, self.devices, **own)

    def rows(self, form: Form) -> Dataset:
        """The stage's rows in a form, checked; the first process makes them for all.

        Raises:
            EvaGraphError: data or start cannot be used, or are not those that the stage began with.
        """
        if self.devices.first:
            rows = StageRows(self.recipe.sources(self.name), form, self.console)
            rows.check()
            require_whole(self.start)
            counts = rows.write(self.folder.rows, self.start, self.stage.max_tokens)
            for line in counts.lines():
                self.console.print(f"{self.name}: {line}", markup=False)
            self.begin({"data": counts.to_json()})
        PartialState().wait_for_everyone()
        return Dataset.from_file(str(self.folder.rows))

    def begin(self, data: Mapping[str, Any]) -> None:
        """Write down what training begins with, or check that it goes on with the same.

        Args:
            data: of the rows, plain JSON.

        Raises:
            RecipeError: it began with other rows, or another start.
        """
        given = {**data, "start": {"weights": fingerprint(self.start)}}
        for what, now in given.items():
            require_same(self.folder, self.state.setdefault(what, now), now, what)
        before = self.state.setdefault("devices", self.devices.count)
        if self.resumed is not None and before != self.devices.count:
            self.console.print(
                f"{self.name}: begun on {before} devices, now on {self.devices.count}: the result "
                "will not be the same to the bit"
            )
        self.state["versions"] = installed_versions()
        self.folder.write(self.state)
        Checkpoints(folder=self.folder.path).drop_broken()

    def model(self) -> PreTrainedModel | PeftModel:
        """The model to train. Raises `InvalidRequest` or `TrainingError`."""
        return build_model(self.start, self.stage, self.precision, self.checkpoint)

    def processor(self) -> ImageOnlyProcessor:
        """The processor of the start. Raises `InvalidRequest`."""
        return load_processor(self.start)

    def callbacks(self) -> list[TrainerCallback]:
        """Checkpoints by the clock, log, TensorBoard, progress."""
        calls: list[TrainerCallback] = [
            TimedCheckpoints(
                Checkpoints(folder=self.folder.path),
                every_minutes=self.stage.save_every_minutes,
                keep=self.stage.keep_checkpoints,
            ),
            LogFile(self.folder.log),
            ShowProgress(self.console, self.name),
            StopWhereBroken(),
        ]
        if "tensorboard" in self.stage.trackers and self.devices.first:
            after = (self.resumed or 0) + 1
            calls.append(
                TensorBoardCallback(SummaryWriter(str(self.folder.tensorboard), purge_step=after))
            )
        return calls


def run_stage(recipe: Recipe, name: StageName, build: Callable[[StageRun], Trainer]) -> Trained:
    """Train a stage, or go on with it, or find it finished.

    Args:
        recipe: all settings.
        name: of the stage.
        build: its trainer, with the run's `arguments`, `rows`, `model` and `callbacks`, in that
            order: data is checked before a model is loaded.

    Raises:
        EvaGraphError: the recipe, the data or the start cannot be used, or another process trains
            in the folder; one line each.
    """
    disable_progress_bar()  # of every file that is loaded: ours shows the steps
    disable_progress_bars()
    with sole_process(recipe.folder(name)) if Devices.found().first else nullcontext():
        return _run(StageRun.of(recipe, name), build)


def _run(run: StageRun, build: Callable[[StageRun], Trainer]) -> Trained:
    if run.state["status"] == "finished" and run.folder.model.is_dir():
        return _found(run)
    held_out_questions(run.name, run.stage)  # a broken file is found now, not after hours
    if run.stage.precision != run.precision:
        run.console.print(f"{run.name}: there is no GPU here: training in fp32, not bf16")
    if run.resumed is not None:
        run.console.print(f"{run.name}: goes on from step {run.resumed}")
    begun = time.monotonic()
    trainer = _train(run, build)
    save_trained(trainer, run.start, run.folder, run.precision)
    trained = finish(run, trainer, time.monotonic() - begun)
    del trainer  # the report loads models: there must be room for them
    report_stage(run)
    return trained


def _found(run: StageRun) -> Trained:
    """A finished stage; its report is written where that failed."""
    run.console.print(f"{run.name} is finished: {run.folder.model}", markup=False)
    if not run.folder.report.is_file():
        report_stage(run)
    return Trained(
        model=run.folder.model,
        steps=run.state["steps"],
        rows=run.state["data"]["rows"],
        already=True,
    )


def _train(run: StageRun, build: Callable[[StageRun], Trainer]) -> Trainer:
    renamed = r".*gradient_checkpointing.* is deprecated"
    with warnings.catch_warnings():
        # TRL 1.16 still calls what transformers 5.23 renamed.
        warnings.filterwarnings("ignore", renamed, FutureWarning)
        trainer = build(run)
        trainer.remove_callback(PrinterCallback)  # it prints on stdout
        try:
            trainer.train(resume_from_checkpoint=run.resume_from)
        except torch.OutOfMemoryError as error:
            raise TrainingError(
                f"out of GPU memory at step {trainer.state.global_step}: lower max_tokens or "
                f"per_device_batch, or set lora ({str(error).splitlines()[0]})"
            ) from None
    return trainer


def finish(run: StageRun, trainer: Trainer, seconds: float) -> Trained:
    """The end of a stage, in every process: write down that it is finished, and say so.

    Args:
        run: the stage.
        trainer: after training; its model is still loaded.
        seconds: that it took.
    """
    rows: Any = trainer.train_dataset
    trained = Trained(
        model=run.folder.model,
        steps=trainer.state.global_step,
        rows=len(rows),
        seconds=seconds,
    )
    if run.devices.first:
        ended = {"seconds": round(seconds, 1), "machine": machine()}
        run.folder.write(run.state | {"status": "finished", "steps": trained.steps} | ended)
        run.folder.rows.unlink(missing_ok=True)
        run.console.print(
            f"{run.name}: {counted(trained.steps, 'step')} on {counted(trained.rows, 'row')}; "
            f"{trained.model}",
            markup=False,
        )
    return trained
