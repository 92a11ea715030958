"""Untrained models: right in every shape, know nothing. Equal seeds give equal weights."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast

_QWEN3_VISION: dict[str, Any] = {
    "depth": 3, "hidden_size": 32, "intermediate_size": 64, "num_heads": 2, "out_hidden_size": 64,
    "patch_size": 16, "spatial_merge_size": 2, "temporal_patch_size": 2,
    "num_position_embeddings": 16, "deepstack_visual_indexes": [0, 1],
}  # fmt: skip


def random_model(folder: Path, *, seed: int = 0) -> Path:
    """Write an untrained nano, a Qwen2.5-VL, in float32 and return its folder."""
    import torch
    from transformers.utils import logging

    from eva_graph.policy.processor import chat_template
    from eva_graph_training.nano.folder import new_model, save_folder
    from eva_graph_training.nano.tokens import build_tokenizer

    logging.disable_progress_bar()
    tokenizer = build_tokenizer(chat_template(), vocabulary_size=700, conversations=50)
    model = new_model(tokenizer, seed)
    with torch.no_grad():  # fresh weights only repeat the last word: let the layers speak up
        model.get_input_embeddings().weight.normal_(0, 0.2)
        for weight in model.model.language_model.layers.parameters():
            if weight.ndim == 2:
                weight.normal_(0, 0.2)
    save_folder(model, tokenizer, folder, torch.float32)
    return folder


def random_qwen3_model(folder: Path, *, seed: int = 0) -> Path:
    """Write a tiny Qwen3-VL in float32, with features of two vision layers in its first layers."""
    import torch
    from transformers import Qwen3VLForConditionalGeneration
    from transformers.utils import logging

    from eva_graph.policy.processor import chat_template
    from eva_graph_training.nano.tokens import build_tokenizer

    logging.disable_progress_bar()
    tokenizer = build_tokenizer(chat_template(), vocabulary_size=700, conversations=50)
    torch.manual_seed(seed)
    model = Qwen3VLForConditionalGeneration(_qwen3_config(tokenizer))
    with torch.no_grad():
        for weight in model.model.language_model.parameters():
            if weight.ndim == 2:
                weight.normal_(0, 0.2)
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    image = {
        "image_processor_type": "Qwen2VLImageProcessor",
        "size": {"shortest_edge": 64 * 64, "longest_edge": 512 * 512},
        "patch_size": 16, "temporal_patch_size": 2, "merge_size": 2,
        "image_mean": [0.5] * 3, "image_std": [0.5] * 3,
    }  # fmt: skip
    (folder / "preprocessor_config.json").write_text(json.dumps(image), encoding="utf-8")
    return folder


def _qwen3_config(tokenizer: PreTrainedTokenizerFast) -> Any:
    from transformers import Qwen3VLConfig

    numbers = {
        name: tokenizer.convert_tokens_to_ids(f"<|{token}|>")
        for name, token in {
            "image_token_id": "image_pad", "video_token_id": "video_pad",
            "vision_start_token_id": "vision_start", "vision_end_token_id": "vision_end",
        }.items()
    }  # fmt: skip
    text = {
        "vocab_size": len(tokenizer), "hidden_size": 64, "intermediate_size": 128,
        "num_hidden_layers": 3, "num_attention_heads": 2, "num_key_value_heads": 1, "head_dim": 32,
        "max_position_embeddings": 8192,
        "rope_parameters": {
            "rope_type": "default", "rope_theta": 10_000.0, "mrope_section": [6, 5, 5],
            "mrope_interleaved": True,
        },
        "pad_token_id": tokenizer.pad_token_id, "eos_token_id": tokenizer.eos_token_id,
    }  # fmt: skip
    return Qwen3VLConfig(text_config=text, vision_config=_QWEN3_VISION, **numbers)
