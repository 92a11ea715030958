"""The weights of a model under training as files that vLLM's `reload_weights` reads.

Names are the live ones of transformers (`model.visual.…`, `model.language_model.…`, `lm_head.…`),
which vLLM maps for Qwen2.5-VL and Qwen3-VL; adapters are merged into copies, the model under
training stays as it is. A folder appears under its name whole or not at all.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import torch
from peft import PeftModel
from peft.tuners.lora import LoraLayer
from safetensors.torch import save_file
from transformers import PreTrainedModel

from eva_graph_training.errors import TrainingError
from eva_graph_training.export.files import new_folder

WEIGHTS_FILE = "model.safetensors"
_ADAPTER = "default"
_AROUND = "base_model.model."
"""What peft writes before the names of the model inside."""
_INSIDE = "base_layer."
_HEAD = "lm_head.weight"
"""Written even where it is tied to the word vectors: vLLM 0.31 on a CPU keeps a packed copy of it,
which a reload without the name leaves as it was. A file cannot hold one tensor twice."""


def write_weights(
    model: PreTrainedModel | PeftModel,
    weights: Mapping[str, torch.Tensor],
    folder: Path,
    dtype: torch.dtype,
) -> None:
    """Write a folder of weights; one that is there is replaced.

    Args:
        model: the live model, perhaps with a LoRA adapter.
        weights: its gathered state; `accelerator.get_state_dict` gives it.
        folder: gets `model.safetensors` and nothing else.
        dtype: of the files.

    Raises:
        TrainingError: the folder cannot be written.
    """
    if isinstance(model, PeftModel):
        weights = dict(_merged(model, weights))
    tensors = {
        name: value.detach().to("cpu", dtype, copy=name == _HEAD).contiguous()
        for name, value in weights.items()
    }
    try:
        shutil.rmtree(folder, ignore_errors=True)
        with new_folder(folder) as written:
            save_file(tensors, written / WEIGHTS_FILE, metadata={"format": "pt"})
            (written / WEIGHTS_FILE).chmod(0o644)  # the server may run as somebody else
    except OSError as error:
        raise TrainingError(f"cannot write the weights to {folder}: {error}") from None


def _merged(
    model: PeftModel, weights: Mapping[str, torch.Tensor]
) -> Iterator[tuple[str, torch.Tensor]]:
    """The state without its adapter, whose change is added to the weights that it sits on."""
    deltas = {
        f"{name}.{_INSIDE}weight": _delta(module)
        for name, module in model.named_modules()
        if isinstance(module, LoraLayer) and _ADAPTER in module.active_adapters
    }
    for name, value in weights.items():
        if ".lora_" in name:
            continue
        delta = deltas.get(name)
        merged = value if delta is None else value.float() + delta.float().to(value.device)
        yield name.removeprefix(_AROUND).replace(_INSIDE, ""), merged


def _delta(layer: Any) -> torch.Tensor:
    """What the adapter adds to the weight of a layer."""
    delta: torch.Tensor = layer.get_delta_weight(_ADAPTER)
    return delta
