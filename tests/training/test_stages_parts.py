"""What stages are made of: whole checkpoints, the log, arguments, devices, the command."""

from __future__ import annotations

import json
import math
from importlib.resources import files
from pathlib import Path

import pytest
import torch
from accelerate.commands.config.config_args import load_config_from_file
from hypothesis import given, settings
from hypothesis import strategies as st
from stage_recipes import tiny
from transformers import TrainerControl, TrainerState
from trl import KTOConfig, SFTConfig
from typer.testing import CliRunner

from eva_graph_training.errors import RecipeError, TrainingError
from eva_graph_training.recipe import SftStage, load_recipe
from eva_graph_training.stages.arguments import stage_arguments
from eva_graph_training.stages.checkpoints import Checkpoints
from eva_graph_training.stages.devices import Devices
from eva_graph_training.stages.folder import StageFolder, fingerprint, require_same, settings_of
from eva_graph_training.stages.logs import LogFile, StopWhereBroken, read_log
from eva_graph_training.train_command import train

ONE = Devices(count=1, rank=0, on_gpu=False)


@settings(deadline=None)
@given(
    steps=st.lists(st.tuples(st.integers(1, 500), st.booleans()), unique_by=lambda each: each[0]),
    keep=st.integers(1, 4),
)
def test_only_whole_checkpoints_count(
    steps: list[tuple[int, bool]], keep: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    made = Checkpoints(folder=tmp_path_factory.mktemp("stage"))
    for step, whole in steps:
        made.path(step).mkdir()
        if whole:
            made.seal(step)
    sealed = sorted(step for step, whole in steps if whole)
    assert made.last() == (sealed[-1] if sealed else None)
    (made.folder / ".model.3piqisu6").mkdir()  # a process was killed while it wrote the model
    made.rotate(keep)
    made.drop_broken()
    assert sorted(path.name for path in made.folder.iterdir()) == sorted(
        f"checkpoint-{step}" for step in sealed[-keep:]
    )


def test_the_log_holds_each_step_once(tmp_path: Path) -> None:
    log = LogFile(tmp_path / "stage" / "log.jsonl")
    arguments = stage_arguments(SFTConfig, "sft", SftStage(), StageFolder(path=tmp_path), ONE)
    state, control = TrainerState(is_world_process_zero=True), TrainerControl()
    log.on_train_begin(arguments, state, control)
    for state.global_step in (1, 2, 3):
        log.on_log(arguments, state, control, logs={"loss": 0.5})
    with (tmp_path / "stage" / "log.jsonl").open("a") as file:
        file.write('{"step": 4, "lo')
    state.global_step = 2
    log.on_train_begin(arguments, state, control)
    assert read_log(tmp_path / "stage" / "log.jsonl") == [
        {"step": 1, "loss": 0.5}, {"step": 2, "loss": 0.5},
    ]  # fmt: skip


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_a_loss_that_is_no_number_ends_the_run(value: float, tmp_path: Path) -> None:
    arguments = stage_arguments(SFTConfig, "sft", SftStage(), StageFolder(path=tmp_path), ONE)
    state, control = TrainerState(global_step=7), TrainerControl()
    StopWhereBroken().on_log(arguments, state, control, logs={"loss": 1.0, "grad_norm": 2.0})
    with pytest.raises(TrainingError, match=r"grad_norm is (nan|inf) at step 7"):
        StopWhereBroken().on_log(arguments, state, control, logs={"grad_norm": value})


def test_recipes_become_trl_s_arguments(tmp_path: Path) -> None:
    recipe = load_recipe("qwen2.5-vl-7b-8gpu")
    folder = StageFolder(path=tmp_path / "kto")
    eight = Devices(count=8, rank=0, on_gpu=False)
    made = stage_arguments(KTOConfig, "kto", recipe.kto, folder, eight, beta=recipe.kto.beta)
    assert made.per_device_train_batch_size * made.gradient_accumulation_steps * 8 == 16
    assert (made.beta, made.learning_rate, made.num_train_epochs) == (0.1, 2e-6, 1)
    assert made.get_warmup_steps(100) == 3
    whole = SftStage(warmup_share=1, trainer={"learning_rate": 0.5, "adam_beta1": 0.8})
    ours = stage_arguments(SFTConfig, "sft", whole, folder, ONE)
    assert ours.get_warmup_steps(100) == 100
    assert (ours.learning_rate, ours.adam_beta1) == (0.5, 0.8), "`trainer` wins"


def test_precision_follows_the_machine() -> None:
    assert ONE.precision("bf16") == ONE.precision("fp32") == "fp32"
    assert Devices(count=1, rank=0, on_gpu=True).precision("fp32") == "fp32"
    assert not Devices(count=2, rank=1, on_gpu=False).first
    assert Devices(count=2, rank=1, on_gpu=False).console().quiet
    assert Devices.found() == Devices(count=1, rank=0, on_gpu=torch.cuda.is_available())


def test_other_settings_are_named(tmp_path: Path) -> None:
    recipe = tiny(tmp_path, tmp_path / "model", [tmp_path / "run"])
    other = tiny(tmp_path, tmp_path / "model", [tmp_path / "run"], learning_rate=1e-4)
    same = tiny(tmp_path, tmp_path / "model", [tmp_path / "run"], save_every_minutes=1)
    folder = StageFolder(path=tmp_path / "sft")
    before = settings_of(recipe, "sft")
    require_same(folder, json.loads(json.dumps(before)), settings_of(same, "sft"), "setting")
    with pytest.raises(RecipeError, match=r"learning_rate was 0.001, now 0.0001"):
        require_same(folder, before, settings_of(other, "sft"), "setting")


def test_weights_are_told_apart(model_folder: Path, tmp_path: Path) -> None:
    data = bytearray((model_folder / "model.safetensors").read_bytes())
    (tmp_path / "model.safetensors").write_bytes(data)
    assert fingerprint(tmp_path) == fingerprint(model_folder)
    data[-1] ^= 1
    (tmp_path / "model.safetensors").write_bytes(data)
    assert fingerprint(tmp_path) != fingerprint(model_folder)


def test_accelerate_reads_the_configurations() -> None:
    kinds = {}
    for file in (files("eva_graph_training") / "recipes" / "accelerate").iterdir():
        kinds[file.name] = str(load_config_from_file(str(file)).distributed_type.value)
    assert kinds == {"ddp.yaml": "MULTI_GPU", "fsdp.yaml": "FSDP", "zero2.yaml": "DEEPSPEED"}


def test_the_command_refuses_in_one_line() -> None:
    run = CliRunner().invoke(train, ["sft", "nobody"])
    assert isinstance(run.exception, RecipeError)
    assert "give a YAML file or one of" in str(run.exception)
    run = CliRunner().invoke(train, ["sft", "nano-cpu", "--set", "sft.epoch=2"])
    assert "sft.epoch" in str(run.exception)
    assert CliRunner().invoke(train, ["ppo", "nano-cpu"]).exit_code == 2
