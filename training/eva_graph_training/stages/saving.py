"""The model folder at the end of a stage: whole, under its name at once, and loaded by all.

transformers, vLLM and `VideoAgent(policy=…)` read it like the start that the stage began from:
configuration, tokenizer, image processor and limits are the start's own files, byte for byte (those
that the trainer would write name our processor, and switch the cache off). Only the weights are
new, and the chat template is the project's. An adapter is merged, and kept beside it.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from peft import PeftModel
from transformers import PreTrainedModel, Trainer

from eva_graph.policy.processor import CHAT_TEMPLATE, load_model
from eva_graph_training.errors import TrainingError
from eva_graph_training.export.files import new_folder
from eva_graph_training.stages.devices import Precision
from eva_graph_training.stages.folder import StageFolder
from eva_graph_training.stages.start import DTYPES

_COPIED = ("*.json", "*.txt", "*.model", "LICENSE*", "NOTICE*")
_NOT_COPIED = ("config.json", "model.safetensors.index.json", "adapter_config.json")
_ADAPTER = "default"


def save_trained(trainer: Trainer, start: Path, folder: StageFolder, precision: Precision) -> None:
    """Write `model/`, and `adapter/` where there is one. Every process calls it.

    Raises:
        InvalidRequest, DataError: the folder cannot be written.
    """
    weights = trainer.accelerator.get_state_dict(trainer.model_wrapped)
    model: Any = trainer.accelerator.unwrap_model(trainer.model_wrapped)
    if trainer.is_world_process_zero():
        dtype = DTYPES[precision]
        if isinstance(model, PeftModel):
            _replace_adapter(model, weights, folder.adapter)
            model, weights = _merged(start, folder.adapter, dtype)
        _replace_model(model, weights, start, folder.model, dtype)
    trainer.accelerator.wait_for_everyone()


def _replace_adapter(model: PeftModel, weights: Mapping[str, Any], out: Path) -> None:
    shutil.rmtree(out, ignore_errors=True)
    with new_folder(out) as written:
        model.save_pretrained(str(written), selected_adapters=[_ADAPTER], state_dict=dict(weights))
        _make_readable(written)


def _merged(start: Path, adapter: Path, dtype: str) -> tuple[PreTrainedModel, Mapping[str, Any]]:
    around: Any = PeftModel.from_pretrained(load_model(start, dtype), str(adapter))
    merged: PreTrainedModel = around.merge_and_unload()
    return merged, merged.state_dict()


def _replace_model(
    model: PreTrainedModel, weights: Mapping[str, Any], start: Path, out: Path, dtype: str
) -> None:
    shutil.rmtree(out, ignore_errors=True)
    with new_folder(out) as written:
        model.save_pretrained(written, state_dict=_cast(weights, getattr(torch, dtype)))
        for pattern in _COPIED:
            for file in start.glob(pattern):
                if file.name not in _NOT_COPIED:
                    shutil.copyfile(file, written / file.name)
        shutil.copyfile(CHAT_TEMPLATE, written / "chat_template.jinja")
        _write_config(start, written, dtype)
        _make_readable(written)


def _cast(weights: Mapping[str, Any], dtype: torch.dtype) -> dict[str, torch.Tensor]:
    """The weights in a type; tied ones stay one tensor, so that they are written once."""
    cast: dict[int, torch.Tensor] = {}
    for value in weights.values():
        cast.setdefault(value.data_ptr(), value.to("cpu", dtype))
    return {name: cast[value.data_ptr()] for name, value in weights.items()}


def _write_config(start: Path, out: Path, dtype: str) -> None:
    try:
        config = json.loads((start / "config.json").read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise TrainingError(f"cannot read {start / 'config.json'}: {error}") from None
    _set_dtype(config, dtype)
    (out / "config.json").write_text(json.dumps(config, indent=2) + "\n", encoding="utf-8")


def _set_dtype(config: dict[str, Any], dtype: str) -> None:
    for name, value in config.items():
        if name in ("dtype", "torch_dtype"):
            config[name] = dtype
        elif isinstance(value, dict):
            _set_dtype(value, dtype)


def _make_readable(folder: Path) -> None:
    for file in folder.iterdir():
        file.chmod(0o644)
