"""Exports loaded by LLaMA-Factory's, ms-swift's and verl's own code. Not part of the default suite.

Those packages want torchvision, other versions, or CUDA, so they are installed without what they
depend on, beside a Python that sees this project's packages; what was needed of their dependencies
is in `requirements.txt`. Then:

    EVA_GRAPH_CONSUMERS=that/bin/python pytest tests/consumers/check_consumers.py
"""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import recorded_runs
from random_model import random_model

from eva_graph.trajectory import RunStore, Trajectory
from eva_graph_training.export.exporting import ExportRequest, export
from eva_graph_training.export.forms import FORMS
from eva_graph_training.export.pivot import pivot_steps
from eva_graph_training.export.row import FrameDelivery

HERE = Path(__file__).parent
ROOT = HERE.parent.parent


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("consumed")
    clips = recorded_runs.make_clips(folder)
    recorded_runs.scripted_run(clips, folder / "scripted")
    recorded_runs.token_run(clips, folder / "tokens", random_model(folder / "model"))
    return folder


@pytest.fixture(scope="module")
def records(folder: Path) -> list[Trajectory]:
    runs = (folder / "scripted", folder / "tokens")
    return [record for run in runs for record in RunStore(run).records()]


@pytest.fixture(scope="module")
def answered(records: Sequence[Trajectory]) -> list[Trajectory]:
    return [record for record in records if record.answer]


def load(script: str, folder: Path, source: Path) -> list[dict[str, Any]]:
    """What the consumer made of an export."""
    sources = os.pathsep.join(str(ROOT / name) for name in ("", "tools", "training"))
    done = subprocess.run(
        [os.environ["EVA_GRAPH_CONSUMERS"], str(HERE / script), str(source), str(folder / "model")],
        capture_output=True, text=True, check=False,
        env={
            **os.environ, "PYTHONPATH": sources, "HF_HOME": str(folder / "hub"),
            "HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1",
        },
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    found: list[dict[str, Any]] = json.loads(done.stdout.splitlines()[-1])
    return found


def written(form: str, folder: Path, **settings: Any) -> Path:
    out = folder / form
    if not out.exists():
        runs = [folder / "scripted", folder / "tokens"]
        export(ExportRequest(runs=runs, form=FORMS[form], out=out, **settings))
    return out


def hashes(record: Trajectory) -> list[str]:
    calls = [call for turn in record.turns for call in turn.calls]
    return [frame.ref["uri"].rpartition(":")[2] for call in calls for frame in call.frames]


def spoken(record: Trajectory) -> str:
    return "".join(f"{turn.text}<|im_end|>\n" for turn in record.turns)


def test_llamafactory(folder: Path, answered: Sequence[Trajectory]) -> None:
    out = written("sharegpt", folder, delivery=FrameDelivery.COPY)
    rows = load("load_with_llamafactory.py", folder, out)
    for row, record in zip(rows, answered, strict=True):
        turns = len(record.turns)
        assert row["roles"] == ["user", *["assistant", "observation"] * (turns - 1), "assistant"]
        assert [Path(path).stem for path in row["images"]] == hashes(record)
        assert row["pads"] == record.usage.visual_tokens
        assert row["learned"] == spoken(record), "every turn of the policy, and nothing else"


def test_swift(folder: Path, answered: Sequence[Trajectory]) -> None:
    out = written("sharegpt", folder, delivery=FrameDelivery.COPY)
    rows = load("load_with_swift.py", folder, out)
    for row, record in zip(rows, answered, strict=True):
        assert [m["role"] for m in row["messages"]] == [m["role"] for m in record.messages]
        said = [m["content"] for m in row["messages"] if m["role"] == "assistant"]
        assert said == [turn.text for turn in record.turns]
        images = row["images"] or []
        assert [Path(image["path"]).stem for image in images] == hashes(record)
        text = "".join(message["content"] for message in row["messages"])
        assert text.count("<image>") == len(images)


def test_verl(folder: Path, records: Sequence[Trajectory]) -> None:
    rows = load("load_with_verl.py", folder, written("verl", folder) / "train.parquet")
    steps = [step for record in records if record.usage.frames for step in pivot_steps(record)]
    for row, step in zip(rows, steps, strict=True):
        assert row["roles"] == [message.role for message in step.prefix]
        frames = [frame for message in step.prefix for frame in message.frames]
        assert row["images"] == [[frame.width, frame.height] for frame in frames]
        assert row["pads"] == sum(frame.width * frame.height // 28**2 for frame in frames)
        assert json.loads(row["reward_model"]["ground_truth"]) == list(step.calls)


def test_verl_questions(folder: Path) -> None:
    rows = load("load_with_verl.py", folder, written("verl", folder) / "train.questions.parquet")
    assert [row["roles"] for row in rows] == [["system", "user"]] * 6
    assert {row["reward_model"]["ground_truth"] for row in rows} == {"yellow", "B"}
