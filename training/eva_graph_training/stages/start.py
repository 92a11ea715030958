"""Which folder a stage's model is built from, and as what.

A stage starts from its start. One that goes on builds its whole weights from the checkpoint's own
folder (Trainer's way of loading them into a live Qwen2.5-VL loads nothing, without an error), or an
adapter around the start's weights. Either way `config._name_or_path` is the start: KTO and GRPO
load their reference model from there, and the reference of a stage is its start.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from peft import LoraConfig, PeftModel, get_peft_model
from transformers import PreTrainedModel, set_seed

from eva_graph.errors import InvalidRequest
from eva_graph.policy.processor import load_model
from eva_graph_training.errors import TrainingError
from eva_graph_training.recipe import LoraSettings, Stage
from eva_graph_training.stages.devices import Precision

VISION_TOWER = "model.visual"
_NOT_VISION = r".*\bvisual\b.*"
DTYPES = {"bf16": "bfloat16", "fp32": "float32"}


def build_model(
    start: Path, stage: Stage, precision: Precision, checkpoint: Path | None = None
) -> PreTrainedModel | PeftModel:
    """The model to train, in training mode.

    Whole weights are float32 in either precision: bf16 computes on copies. The frozen weights
    around an adapter are held in the precision, the adapter itself in float32.

    Args:
        start: model folder of the stage's start.
        stage: its settings.
        precision: what is computed in.
        checkpoint: to go on from.

    Raises:
        InvalidRequest: `start` holds no supported model.
        TrainingError: the adapter's settings fit no layer.
    """
    require_whole(start)
    set_seed(stage.seed)
    if stage.lora is not None:
        model: Any = load_model(start, DTYPES[precision])
        model.config.name_or_path = str(start.absolute())
        return _adapted(model, stage.lora, train_vision=stage.train_vision).train()
    model = load_model(checkpoint if checkpoint and _is_whole(checkpoint) else start)
    model.config.name_or_path = str(start.absolute())
    model.get_submodule(VISION_TOWER).requires_grad_(stage.train_vision)
    trained: PreTrainedModel = model.train()
    return trained


def require_whole(folder: Path) -> None:
    """Check that a start is there and is a whole model.

    Raises:
        InvalidRequest: it is not; the message says what to do.
    """
    if (folder / "adapter_config.json").is_file() and not _is_whole(folder):
        raise InvalidRequest(
            f"{folder} holds an adapter alone: start from the model/ folder beside it, or merge it"
        )
    if not _is_whole(folder):
        raise InvalidRequest(
            f"{folder} holds no model: run the stage before this one, or set the stage's start"
        )


def _is_whole(folder: Path) -> bool:
    """Checkpoints of adapters and of FSDP shards are not: the trainer loads those itself."""
    return (folder / "config.json").is_file()


def _adapted(model: PreTrainedModel, lora: LoraSettings, *, train_vision: bool) -> PeftModel:
    modules = lora.target_modules
    settings = LoraConfig(
        r=lora.rank,
        lora_alpha=lora.alpha,
        lora_dropout=lora.dropout,
        target_modules=modules if isinstance(modules, str) else list(modules),
        exclude_modules=None if train_vision else _NOT_VISION,
        task_type="CAUSAL_LM",
    )
    try:
        adapted: PeftModel = get_peft_model(model, settings)
    except ValueError as error:
        raise TrainingError(f"lora.target_modules: {error}") from None
    return adapted
