"""What the tests of TRL forms share: quiet settings, exports, and looks into batches."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from datasets import Dataset, load_dataset
from trl import GRPOTrainer

from eva_graph.policy.processor import ImageOnlyProcessor
from eva_graph.trajectory import Trajectory
from eva_graph_training.export.exporting import ExportRequest, export
from eva_graph_training.export.forms import FORMS

QUIET = {
    "use_cpu": True, "bf16": False, "report_to": [], "save_strategy": "no", "disable_tqdm": True,
    "activation_checkpointing": False, "max_steps": 1, "learning_rate": 1e-3,
}  # fmt: skip


def exported(form: str, runs: Sequence[Path], out: Path, **settings: Any) -> Path:
    export(ExportRequest(runs=runs, form=FORMS[form], out=out, **settings))
    return out


def rows_of(file: Path) -> Dataset:
    return load_dataset("parquet", data_files=str(file), split="train")


def pads_equal_patches(batch: dict[str, Any], processor: ImageOnlyProcessor) -> int:
    """Image tokens == merged patches of the grid == patches there are; their number."""
    patches = int(batch["image_grid_thw"].prod(dim=1).sum())
    pads = int((batch["input_ids"] == processor.image_token_id).sum())
    assert batch["pixel_values"].shape[0] == patches
    assert pads == patches // 4 > 0
    return pads


def spoken(record: Trajectory) -> list[str]:
    """What the policy wrote itself, turn by turn, as it is learned."""
    return [turn.text + "<|im_end|>" for turn in record.turns if not turn.edited]


def learned(ids: torch.Tensor, mask: torch.Tensor, processor: ImageOnlyProcessor) -> str:
    return str(processor.tokenizer.decode(ids[mask.bool()]))


def moved(model: Any, before: dict[str, torch.Tensor]) -> set[str]:
    return {name for name, value in model.state_dict().items() if not value.equal(before[name])}


def copied(model: Any) -> dict[str, torch.Tensor]:
    return {name: value.clone() for name, value in model.state_dict().items()}


def batches_of(trainer: GRPOTrainer) -> list[dict[str, Any]]:
    """Every generation batch that the trainer makes from now on."""
    seen: list[dict[str, Any]] = []
    score = trainer._generate_and_score_completions

    def keep(inputs: Any) -> Any:
        seen.append(score(inputs))
        return seen[-1]

    trainer._generate_and_score_completions = keep
    return seen
