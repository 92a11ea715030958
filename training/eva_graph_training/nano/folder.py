"""Writing a model folder that transformers, vLLM and this project load alike."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import torch
from transformers import (
    GenerationConfig,
    PreTrainedModel,
    PreTrainedTokenizerFast,
    Qwen2_5_VLForConditionalGeneration,
)

from eva_graph.policy.processor import chat_template
from eva_graph_training.nano.architecture import nano_config
from eva_graph_training.nano.pictures import MEAN, STD
from eva_graph_training.nano.tokens import END, PAD, SPECIAL, token_id
from eva_graph_training.world.render import WORLD_COMMENT

NOTICE = (
    "nano knows only its synthetic world: on any other video, or any other kind of question, "
    "its answers mean nothing"
)
LONGEST_TURN_TOKENS = 256
"""Three times what the teacher's longest turn takes: off its world nano would write on and on."""
MIN_PIXELS, MAX_PIXELS = 56 * 56, 12_845_056


def new_model(tokenizer: PreTrainedTokenizerFast, seed: int) -> Qwen2_5_VLForConditionalGeneration:
    """An untrained nano for that tokenizer; equal seeds give equal weights."""
    torch.manual_seed(seed)
    numbers = {name: token_id(tokenizer, name) for name in SPECIAL}
    return Qwen2_5_VLForConditionalGeneration(nano_config(numbers, len(tokenizer)))


def save_folder(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerFast,
    folder: Path,
    dtype: torch.dtype,
    *,
    tools: Sequence[str] | None = None,
) -> None:
    """Write weights in `dtype`, configuration, tokenizer, image processor and chat template.

    `tools` are those that it is offered where nobody names any; None: the dialect's own.
    """
    folder.mkdir(parents=True, exist_ok=True)
    end, pad = token_id(tokenizer, END), token_id(tokenizer, PAD)
    model.generation_config = GenerationConfig(
        eos_token_id=[end, pad], pad_token_id=pad, bos_token_id=pad, do_sample=False
    )
    weights = {
        name: value.to(dtype)
        for name, value in model.state_dict().items()
        if name != "lm_head.weight"  # tied to the word vectors
    }
    model.save_pretrained(folder, state_dict=weights)
    for file in folder.glob("*.safetensors"):
        file.chmod(0o644)
    tokenizer.save_pretrained(folder)
    (folder / "chat_template.jinja").write_text(chat_template(), encoding="utf-8")
    image = _image_settings()
    _write(
        folder / "preprocessor_config.json",
        {**image, "image_processor_type": "Qwen2VLImageProcessor"},
    )
    video = {"video_processor_type": "Qwen2VLVideoProcessor", "do_sample_frames": False}
    _write(folder / "video_preprocessor_config.json", {**image, **video})
    limits = {"notice": NOTICE, "knows": WORLD_COMMENT, "max_new_tokens": LONGEST_TURN_TOKENS}
    known = {} if tools is None else {"tools": list(tools)}
    _write(folder / "eva_graph_policy.json", {**limits, **known})


def _image_settings() -> dict[str, object]:
    return {
        "processor_class": "Qwen2_5_VLProcessor",
        "size": {"shortest_edge": MIN_PIXELS, "longest_edge": MAX_PIXELS},
        "patch_size": 14,
        "temporal_patch_size": 2,
        "merge_size": 2,
        "image_mean": MEAN,
        "image_std": STD,
        "resample": 3,
        "rescale_factor": 1 / 255,
        "do_resize": True,
        "do_rescale": True,
        "do_normalize": True,
        "do_convert_rgb": True,
    }


def _write(path: Path, settings: dict[str, object]) -> None:
    path.write_text(json.dumps(settings, indent=2) + "\n", encoding="utf-8")
