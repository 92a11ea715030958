"""What guards an SFT run, on TRL's own trainer: sabotage stops it before the first optimiser step
and the message names the cause; a sound run trains exactly as without the checks.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import sabotage
import torch
from datasets import Dataset
from peft import LoraConfig
from trl import SFTConfig, SFTTrainer
from trl_steps import QUIET, copied, moved

from eva_graph.policy.processor import ImageOnlyProcessor, load_model, load_processor
from eva_graph_training.checks.sight import SightCheck
from eva_graph_training.dataset import sft_dataset
from eva_graph_training.errors import BatchFault, BlindRun, TrainingError
from eva_graph_training.recipe.settings import CheckSettings


class CheckedSft(SightCheck, SFTTrainer):
    pass


@pytest.fixture(scope="module")
def rows(scripted: Path) -> Dataset:
    return sft_dataset([scripted])


@pytest.fixture
def processor(model_folder: Path) -> ImageOnlyProcessor:
    return load_processor(model_folder)


def checked(
    rows: Dataset, model_folder: Path, processor: ImageOnlyProcessor, out: Path, **changes: Any
) -> CheckedSft:
    trainer = changes.pop("trainer", CheckedSft)
    kept = {name: changes.pop(name) for name in ("model", "peft_config") if name in changes}
    checks = changes.pop("checks", CheckSettings())
    settings = {
        "assistant_only_loss": True, "max_length": None, "per_device_train_batch_size": 2,
        **QUIET, **changes,
    }  # fmt: skip
    made: CheckedSft = trainer(
        **{"model": load_model(model_folder), **kept},
        args=SFTConfig(output_dir=str(out), **settings),
        train_dataset=rows,
        processing_class=processor,
        **({} if trainer is SFTTrainer else {"checks": checks}),
    )
    return made


def stopped(trainer: Any, fault: type[TrainingError], cause: str) -> None:
    """Before the first step: nothing was learned."""
    before = copied(trainer.model)
    with pytest.raises(fault, match=cause) as caught:
        trainer.train()
    assert trainer.state.global_step == 0
    assert not moved(trainer.model, before)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("sabotaged", "cause"),
    [
        (sabotage.all_frames_one, r"row 0 .*frame 1 .*all frames .* replaced by one"),
        (sabotage.shifted_frames, r"row 0 .*frame 0 .*shows frame 1 .* instead of 0: .*shifted"),
        pytest.param(
            sabotage.grey_frames,
            r"row 0 .*frame 0 .*jpg\): the pixels are not those",
            marks=pytest.mark.slow,
        ),
        (sabotage.imageless_tool_turns, "3 frames, its text has 0 image places: the chat template"),
    ],
)
def test_wrong_frames_stop_the_run(
    sabotaged: Callable[[ImageOnlyProcessor], None],
    cause: str,
    rows: Dataset,
    model_folder: Path,
    processor: ImageOnlyProcessor,
    tmp_path: Path,
) -> None:
    sabotaged(processor)
    stopped(checked(rows, model_folder, processor, tmp_path), BatchFault, cause)


def test_pixels_lost_in_the_collator(
    rows: Dataset, model_folder: Path, processor: ImageOnlyProcessor, tmp_path: Path
) -> None:
    trainer = checked(rows, model_folder, processor, tmp_path)
    trainer.data_collator.inner = sabotage.without_pixels(trainer.data_collator.inner)
    stopped(trainer, BatchFault, "image places, and there are no pixel_values: .* dropped")


def test_pixels_lost_behind_the_collator(
    rows: Dataset, model_folder: Path, processor: ImageOnlyProcessor, tmp_path: Path
) -> None:
    trainer = checked(rows, model_folder, processor, tmp_path)
    trainer.data_collator = sabotage.without_pixels(trainer.data_collator)
    stopped(trainer, BatchFault, "image places, and there are no pixel_values: .* dropped")


@pytest.mark.parametrize(
    ("sabotaged", "cause"),
    [
        (sabotage.deaf_to_pixels, "the model is called without pixel_values"),
        (sabotage.blind_tower, "pixel_values reach the model and change nothing"),
    ],
)
def test_a_blind_model_stops_the_run(
    sabotaged: Callable[[Any], None],
    cause: str,
    rows: Dataset,
    model_folder: Path,
    processor: ImageOnlyProcessor,
    tmp_path: Path,
) -> None:
    trainer = checked(rows, model_folder, processor, tmp_path)
    sabotaged(trainer.model)
    stopped(trainer, BlindRun, cause)


def test_a_loss_on_tool_turns_stops_the_run(
    rows: Dataset, model_folder: Path, processor: ImageOnlyProcessor, tmp_path: Path
) -> None:
    trainer = checked(rows, model_folder, processor, tmp_path, assistant_only_loss=False)
    stopped(trainer, BatchFault, r"row 0 .*3 turns may be learned, 1 are: .* did not write")


def relabelled(change: Callable[[torch.Tensor], torch.Tensor], trainer: CheckedSft) -> CheckedSft:
    inner = trainer.data_collator.inner

    def collate(examples: list[Any]) -> dict[str, Any]:
        batch: dict[str, Any] = inner(examples)
        return {**batch, "labels": change(batch["labels"])}

    trainer.data_collator.inner = collate
    return trainer


@pytest.mark.parametrize(
    ("change", "cause"),
    [
        (
            lambda labels: torch.full_like(labels, -100),
            "3 turns may be learned, 0 are: the loss co",
        ),
        (lambda labels: labels.roll(-1, dims=1), r"turn 0: the loss covers .*, the turn is "),
    ],
    ids=["empty", "one token off"],
)
def test_a_wrong_mask_stops_the_run(
    change: Callable[[torch.Tensor], torch.Tensor],
    cause: str,
    rows: Dataset,
    model_folder: Path,
    processor: ImageOnlyProcessor,
    tmp_path: Path,
) -> None:
    trainer = checked(rows, model_folder, processor, tmp_path)
    stopped(relabelled(change, trainer), BatchFault, cause)


def test_a_changed_frame_stops_the_run(
    scripted: Path, model_folder: Path, processor: ImageOnlyProcessor, tmp_path: Path
) -> None:
    """Changed after the run was checked: rows were made, training has begun."""
    run = tmp_path / "run"
    shutil.copytree(scripted, run)
    trainer = checked(sft_dataset([run]), model_folder, processor, tmp_path / "out")
    first, second, *_ = sorted(run.rglob("*.jpg"))
    for frame in run.rglob("*.jpg"):
        frame.write_bytes((second if frame != second else first).read_bytes())
    stopped(trainer, BatchFault, r"row 0 .*frame 0 .*jpg\): the stored file is gone or was changed")


def test_checks_leave_no_trace(
    rows: Dataset, model_folder: Path, processor: ImageOnlyProcessor, tmp_path: Path
) -> None:
    """Dropout, accumulation and micro-batches without images: weights and figures are equal."""
    weights, figures = [], []
    for trainer in (CheckedSft, SFTTrainer):
        torch.manual_seed(5)
        lora = LoraConfig(r=4, lora_dropout=0.3, target_modules=["q_proj", "v_proj"])
        made = checked(
            rows, model_folder, processor, tmp_path, trainer=trainer, peft_config=lora,
            per_device_train_batch_size=1, gradient_accumulation_steps=3, max_steps=2,
            logging_steps=1,
        )  # fmt: skip
        made.train()
        weights.append(copied(made.model))
        figures.append([told(entry) for entry in made.state.log_history])
        if isinstance(made, CheckedSft):
            assert made.sight is not None
    assert all(value.equal(weights[1][name]) for name, value in weights[0].items())
    assert figures[0] == figures[1]


def told(entry: dict[str, Any]) -> dict[str, Any]:
    return {
        name: value
        for name, value in entry.items()
        if "second" not in name and "runtime" not in name
    }


def test_a_run_without_frames_is_told(
    rows: Dataset,
    model_folder: Path,
    processor: ImageOnlyProcessor,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    blind = rows.filter(lambda row: "image" not in str(row["messages"]))
    trainer = checked(
        blind, model_folder, processor, tmp_path, per_device_train_batch_size=1, max_steps=17
    )
    trainer.train()
    assert trainer.sight is None
    assert "in the first 16 batches no learned turn follows a frame" in caplog.text


@pytest.mark.slow
@pytest.mark.parametrize("scale", [1.0, 1e-2], ids=["as read", "hardly seeing"])
def test_a_sound_run_in_bf16_passes(
    scale: float, rows: Dataset, model_folder: Path, processor: ImageOnlyProcessor, tmp_path: Path
) -> None:
    model = load_model(model_folder, "bfloat16")
    with torch.no_grad():
        for weight in model.get_submodule("model.visual").merger.parameters():
            weight.mul_(scale)
    trainer = checked(rows, model_folder, processor, tmp_path, model=model, bf16=True, max_steps=2)
    trainer.train()
    assert trainer.sight is not None
    assert trainer.sight.blanked.logprobs > 20 * trainer.sight.noise.logprobs


@pytest.mark.slow
def test_processes_are_judged_together(scripted: Path, model_folder: Path, tmp_path: Path) -> None:
    """In the first step one of the two has no frames: a control of the other alone would hang."""
    script = Path(__file__).parents[1] / "checked_run.py"
    command = [
        sys.executable, "-m", "torch.distributed.run", "--nproc_per_node", "2", str(script),
        str(model_folder), str(scripted), str(tmp_path),
    ]  # fmt: skip
    path = os.pathsep.join([str(script.parent), os.environ.get("PYTHONPATH", "")])
    done = subprocess.run(
        command, env={**os.environ, "PYTHONPATH": path}, capture_output=True, text=True,
        timeout=240, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-2000:]
    for process in (0, 1):
        assert f"process {process} of 2 saw: " in done.stdout
    assert "None" not in done.stdout


def test_another_processor_is_refused(rows: Dataset, model_folder: Path, tmp_path: Path) -> None:
    tokenizer = load_processor(model_folder).tokenizer
    with pytest.raises(TrainingError, match="need a processor of load_processor"):
        SightCheck(model=load_model(model_folder), processing_class=tokenizer)
