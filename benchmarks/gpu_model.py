"""A Qwen2.5-VL of the real 7B shape with random weights, for `gpu_training.py`.

The tokenizer is the project's small one, trained on nano's world; the model keeps the real
vocabulary of 152,064, so that word vectors, output layer and their memory are the real ones. Ids
that the tokenizer lacks are never shown; where a random model samples one it is read as no text.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch
from transformers import (
    GenerationConfig,
    PreTrainedTokenizerFast,
    Qwen2_5_VLConfig,
    Qwen2_5_VLForConditionalGeneration,
)

from eva_graph.policy.processor import chat_template
from eva_graph_training.nano.folder import new_model, save_folder
from eva_graph_training.nano.tokens import END, PAD, build_tokenizer, token_id

_TEXT: dict[str, Any] = {
    "vocab_size": 152_064, "hidden_size": 3584, "intermediate_size": 18_944,
    "num_hidden_layers": 28, "num_attention_heads": 28, "num_key_value_heads": 4,
    "max_position_embeddings": 128_000, "use_sliding_window": False, "tie_word_embeddings": False,
    "rope_parameters": {
        "rope_type": "default", "rope_theta": 1_000_000.0, "mrope_section": [16, 24, 24],
    },
}  # fmt: skip
_VISION: dict[str, Any] = {
    "depth": 32, "hidden_size": 1280, "intermediate_size": 3420, "num_heads": 16,
    "out_hidden_size": 3584, "fullatt_block_indexes": [7, 15, 23, 31], "window_size": 112,
    "patch_size": 14, "spatial_merge_size": 2, "temporal_patch_size": 2, "tokens_per_second": 2,
}  # fmt: skip
_IMAGES: dict[str, Any] = {
    "image_processor_type": "Qwen2VLImageProcessor", "patch_size": 14, "temporal_patch_size": 2,
    "merge_size": 2, "size": {"shortest_edge": 56 * 56, "longest_edge": 12_845_056},
    "image_mean": [0.48145466, 0.4578275, 0.40821073],
    "image_std": [0.26862954, 0.26130258, 0.27577711],
}  # fmt: skip
_PARTS = {
    "image_token_id": "<|image_pad|>", "video_token_id": "<|video_pad|>",
    "vision_start_token_id": "<|vision_start|>", "vision_end_token_id": "<|vision_end|>",
}  # fmt: skip


def write_model(folder: Path, *, small: bool) -> dict[str, Any]:
    """Write the model folder; how many parameters it has.

    Args:
        folder: to write.
        small: nano's shape in float32 in place of the 7B in bfloat16.
    """
    tokenizer = build_tokenizer(chat_template(), vocabulary_size=700, conversations=50)
    model = _write_small(folder, tokenizer) if small else _write_7b(folder, tokenizer)
    return {
        "parameters": sum(weight.numel() for weight in model.parameters()),
        "vocabulary": model.config.text_config.vocab_size,
        "tokenizer": len(tokenizer),
    }


def _write_small(folder: Path, tokenizer: PreTrainedTokenizerFast) -> Any:
    model: Any = new_model(tokenizer, 0)
    with torch.no_grad():  # fresh small layers hardly pass anything on
        for weight in model.model.language_model.layers.parameters():
            if weight.ndim == 2:
                weight.normal_(0, 0.2)
    save_folder(model, tokenizer, folder, torch.float32)
    return model


def _write_7b(folder: Path, tokenizer: PreTrainedTokenizerFast) -> Any:
    """Weights are drawn on the device: on a CPU that alone would take minutes."""
    torch.manual_seed(0)
    torch.set_default_dtype(torch.bfloat16)
    with torch.device("cuda"):
        model: Any = Qwen2_5_VLForConditionalGeneration(_config_7b(tokenizer))
    torch.set_default_dtype(torch.float32)
    end, pad = token_id(tokenizer, END), token_id(tokenizer, PAD)
    model.generation_config = GenerationConfig(eos_token_id=[end, pad], pad_token_id=pad)
    model.to(torch.bfloat16).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    (folder / "preprocessor_config.json").write_text(json.dumps(_IMAGES), encoding="utf-8")
    return model


def _config_7b(tokenizer: PreTrainedTokenizerFast) -> Qwen2_5_VLConfig:
    end, pad = token_id(tokenizer, END), token_id(tokenizer, PAD)
    ends = {"bos_token_id": pad, "eos_token_id": end, "pad_token_id": pad}
    places: dict[str, Any] = {name: token_id(tokenizer, one) for name, one in _PARTS.items()}
    return Qwen2_5_VLConfig(
        text_config={**_TEXT, **ends},
        vision_config=_VISION,
        tie_word_embeddings=False,
        dtype="bfloat16",
        **places,
    )
