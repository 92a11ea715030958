"""The shape of nano: a Qwen2.5-VL of about 3 million parameters, head size 32 everywhere."""

from __future__ import annotations

from typing import Any

from transformers import Qwen2_5_VLConfig
from transformers.models.qwen2_5_vl.configuration_qwen2_5_vl import Qwen2_5_VLVisionConfig

TEXT_WIDTH = 192
VISION_WIDTH = 128
HEAD_WIDTH = 32
CONTEXT_TOKENS = 8192
VISION: dict[str, Any] = {
    "depth": 4,
    "hidden_size": VISION_WIDTH,
    "intermediate_size": 384,
    "num_heads": VISION_WIDTH // HEAD_WIDTH,
    "out_hidden_size": TEXT_WIDTH,
    "fullatt_block_indexes": [0, 1, 2, 3],
    "window_size": 112,
    "patch_size": 14,
    "spatial_merge_size": 2,
    "temporal_patch_size": 2,
    "tokens_per_second": 2,
}


def vision_config() -> Qwen2_5_VLVisionConfig:
    """The configuration of the vision tower alone."""
    return Qwen2_5_VLVisionConfig(**VISION)


def nano_config(token_ids: dict[str, int], vocabulary_size: int) -> Qwen2_5_VLConfig:
    """The model configuration; `token_ids` maps Qwen's special tokens to their numbers."""
    end, pad = token_ids["<|im_end|>"], token_ids["<|endoftext|>"]
    config = Qwen2_5_VLConfig(
        text_config={
            "vocab_size": vocabulary_size,
            "hidden_size": TEXT_WIDTH,
            "intermediate_size": 512,
            "num_hidden_layers": 4,
            "num_attention_heads": TEXT_WIDTH // HEAD_WIDTH,
            "num_key_value_heads": 2,
            "max_position_embeddings": CONTEXT_TOKENS,
            "rope_parameters": {
                "rope_type": "default",
                "rope_theta": 10_000.0,
                "mrope_section": [4, 6, 6],
            },
            "use_sliding_window": False,
            "tie_word_embeddings": True,
            "bos_token_id": pad,
            "eos_token_id": end,
            "pad_token_id": pad,
        },
        vision_config=VISION,
        image_token_id=token_ids["<|image_pad|>"],
        video_token_id=token_ids["<|video_pad|>"],
        vision_start_token_id=token_ids["<|vision_start|>"],
        vision_end_token_id=token_ids["<|vision_end|>"],
        tie_word_embeddings=True,
    )
    config.bos_token_id, config.eos_token_id, config.pad_token_id = pad, end, pad
    return config
