"""A stage's settings as TRL's own arguments.

What a recipe names under `trainer` wins over everything here, by TRL's names; a name that TRL does
not have is an error, not a silence.
"""

from __future__ import annotations

from dataclasses import fields
from importlib.util import find_spec
from typing import Any, TypeVar

from transformers import TrainingArguments

from eva_graph.errors import MissingExtra
from eva_graph_training.errors import RecipeError
from eva_graph_training.recipe import Stage, StageName
from eva_graph_training.stages.devices import Devices
from eva_graph_training.stages.folder import StageFolder

Config = TypeVar("Config", bound=TrainingArguments)
_WAIT_SECONDS = 6 * 3600
"""How long processes wait for the first one, which reads and checks all frames before training."""
_OURS = ("output_dir", "save_strategy")
"""A stage goes on from checkpoints in its own folder, which it alone writes and seals."""
_NEARLY_ALL = 1 - 1e-6


def stage_arguments(
    config: type[Config], name: StageName, stage: Stage, folder: StageFolder, devices: Devices,
    **own: Any,
) -> Config:  # fmt: skip
    """TRL's configuration of a stage.

    Args:
        config: `SFTConfig`, `KTOConfig` or `GRPOConfig`.
        name: of the stage.
        stage: its settings.
        folder: where checkpoints go.
        devices: what it runs on.
        own: arguments of this stage's configuration alone.

    Raises:
        RecipeError: `trainer` holds a name that TRL does not have or that is not to be changed, or
            a value that TRL refuses; or the batch does not divide among the devices.
        MissingExtra: a tracker is not installed.
    """
    known = {each.name for each in fields(config) if each.init}
    for given in stage.trainer:
        if given not in known:
            raise RecipeError(f"{name}.trainer.{given}: {config.__name__} has no such argument")
        if given in _OURS:
            raise RecipeError(f"{name}.trainer.{given}: the stage itself decides that")
    arguments = _common(name, stage, folder, devices) | own | stage.trainer
    try:
        return config(**arguments)
    except (TypeError, ValueError) as error:
        raise RecipeError(f"{name}: {' '.join(str(error).split())}") from None


def _common(name: StageName, stage: Stage, folder: StageFolder, devices: Devices) -> dict[str, Any]:
    return {
        "output_dir": str(folder.path),
        "run_name": f"{folder.path.parent.name}-{name}",
        "num_train_epochs": stage.epochs,
        "max_steps": stage.max_steps or -1,
        "per_device_train_batch_size": stage.per_device_batch,
        "gradient_accumulation_steps": stage.accumulate(devices.count),
        "learning_rate": stage.learning_rate,
        "lr_scheduler_type": stage.scheduler,
        "warmup_steps": min(stage.warmup_share, _NEARLY_ALL),  # from 1 on it would count steps
        "bf16": devices.precision(stage.precision) == "bf16",
        "use_cpu": not devices.on_gpu,
        "dataloader_pin_memory": devices.on_gpu,
        "activation_checkpointing": stage.activation_checkpointing,
        "seed": stage.seed,
        "logging_steps": stage.log_every_steps,
        "logging_nan_inf_filter": False,  # it would log the mean of former losses in their place
        "save_strategy": "no",  # by the clock, see TimedCheckpoints
        "report_to": _trackers(name, stage),
        "disable_tqdm": True,
        "ddp_timeout": _WAIT_SECONDS,
    }


def _trackers(name: StageName, stage: Stage) -> list[str]:
    """Those that Trainer starts; TensorBoard's callback is ours, for its folder."""
    for tracker in stage.trackers:
        if find_spec(tracker) is None:
            raise MissingExtra(
                f"{name}.trackers: {tracker} is not installed: pip install {tracker}, or set "
                f"{name}.trackers without it"
            )
    return [tracker for tracker in stage.trackers if tracker != "tensorboard"]
