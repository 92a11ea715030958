"""Stages as processes of their own: killed at any moment and gone on with, or two side by side."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from random_model import random_qwen3_model
from stage_recipes import EVERY_STEP, LORA, checkpoints, same, tiny, weights

from eva_graph_training.recipe import Recipe
from eva_graph_training.stages.kto import train_kto
from eva_graph_training.stages.logs import read_log
from eva_graph_training.stages.sft import train_sft

pytestmark = pytest.mark.slow
_WAIT_SECONDS = 120
_COMMAND = ["-m", "eva_graph.cli", "train"]


def written(recipe: Recipe, file: Path) -> Path:
    file.write_text(yaml.safe_dump(json.loads(recipe.model_dump_json())), encoding="utf-8")
    return file


def start(words: Sequence[str], launcher: Sequence[str] = ()) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, *launcher, *_COMMAND, *words],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )  # fmt: skip


def kill_after(steps: int, process: subprocess.Popen[str], folder: Path) -> None:
    """SIGKILL as soon as the checkpoint of that step is there."""
    waited = time.monotonic() + _WAIT_SECONDS
    while max(checkpoints(folder), default=0) < steps:
        assert process.poll() is None, process.communicate()[1]
        assert time.monotonic() < waited
        time.sleep(0.002)
    process.send_signal(signal.SIGKILL)
    process.communicate()


@pytest.mark.parametrize(
    ("name", "family", "lora"),
    [("sft", "qwen2.5", None), ("kto", "qwen2.5", None), ("kto", "qwen3", LORA)],
)
def test_a_killed_stage_goes_on_exactly(
    name: Any, family: str, lora: Any, scripted: Path, model_folder: Path, tmp_path: Path
) -> None:
    model = model_folder if family == "qwen2.5" else random_qwen3_model(tmp_path / "model")
    own: dict[str, Any] = {
        "start": str(model), "max_steps": 12, "lora": lora, "save_every_minutes": EVERY_STEP,
    }  # fmt: skip
    killed = tiny(tmp_path / "killed", model, [scripted], **own)
    words = [name, str(written(killed, tmp_path / "recipe.yaml")), "--json"]
    folder = tmp_path / "killed" / name
    kill_after(3, start(words), folder)
    assert not (folder / "model").exists()
    assert max(checkpoints(folder)) < 12
    again = start(words)
    out, said = again.communicate(timeout=_WAIT_SECONDS)
    assert again.returncode == 0, said
    assert f"{name}: goes on from step" in said
    assert json.loads(out)["steps"] == 12
    whole = {"sft": train_sft, "kto": train_kto}[name](
        tiny(tmp_path / "whole", model, [scripted], **own)
    )
    assert same(folder / "model", whole.model)


def test_two_processes_train_like_one(scripted: Path, model_folder: Path, tmp_path: Path) -> None:
    """DDP over gloo on two CPU processes: half of each batch in each, images and all."""
    own: dict[str, Any] = {
        "max_steps": 2, "batch": 4, "save_every_minutes": EVERY_STEP,
        "trainer": {"optim": "sgd"},  # Adam's first steps would blow up the last bits
    }  # fmt: skip
    two = tiny(tmp_path / "two", model_folder, [scripted], **own)
    launcher = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    words = ["sft", str(written(two, tmp_path / "recipe.yaml")), "--json"]
    process = start(words, launcher)
    out, said = process.communicate(timeout=_WAIT_SECONDS)
    assert process.returncode == 0, said
    assert json.loads(out)["steps"] == 2, "one process alone speaks"
    assert said.count("sft: 9 rows") == 1
    one = train_sft(tiny(tmp_path / "one", model_folder, [scripted], **own))
    first, second = weights(one.model), weights(tmp_path / "two" / "sft" / "model")
    for weight, value in first.items():
        assert torch.allclose(value, second[weight], atol=1e-6), weight
    logs = [read_log(tmp_path / work / "sft" / "log.jsonl") for work in ("one", "two")]
    losses = [[line["loss"] for line in log if "loss" in line] for log in logs]
    assert losses[0] == pytest.approx(losses[1], rel=1e-4)
    folder = tmp_path / "two" / "sft"
    assert sorted(checkpoints(folder)) == [1]
    assert (folder / "checkpoint-1" / "rng_state_1.pth").is_file()
