"""Pictures into patches, and patches through a vision tower."""

from __future__ import annotations

from typing import Final

import torch
from transformers.models.qwen2_5_vl.modeling_qwen2_5_vl import (
    Qwen2_5_VisionTransformerPretrainedModel as VisionTower,
)

from eva_graph_training.nano.pictures import MEAN, MERGE, PATCH_PIXELS, STD

VISUAL_TOKEN_PIXELS: Final = PATCH_PIXELS * MERGE


def merged_features(tower: VisionTower, pixels: torch.Tensor) -> torch.Tensor:
    """Features (n, merged patches, width) of uint8 pictures (n, height, width, 3)."""
    rows, grid = patches(pixels)
    merged: torch.Tensor = tower(rows, grid_thw=grid).pooler_output
    return merged.reshape(len(pixels), -1, merged.shape[-1])


def patches(pixels: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Qwen2-VL's patches of uint8 pictures (n, height, width, 3): rows of 1176, and grid (n, 3).

    The picture is doubled in time, as the image processor does; patches come in 2x2 merge blocks.
    """
    count, height, width = pixels.shape[:3]
    down, across = height // VISUAL_TOKEN_PIXELS, width // VISUAL_TOKEN_PIXELS
    scaled = (pixels.float() / 255 - torch.tensor(MEAN)) / torch.tensor(STD)
    blocks = scaled.reshape(count, down, MERGE, PATCH_PIXELS, across, MERGE, PATCH_PIXELS, 3)
    ordered = blocks.permute(0, 1, 4, 2, 5, 7, 3, 6)
    single = ordered.reshape(-1, 3, 1, PATCH_PIXELS * PATCH_PIXELS)
    rows = single.expand(-1, -1, 2, -1).reshape(single.shape[0], -1)
    grid = torch.tensor([[1, down * MERGE, across * MERGE]]).repeat(count, 1)
    return rows, grid
