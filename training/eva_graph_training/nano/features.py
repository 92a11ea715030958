"""Visual features computed once: the eyes of the language stage.

A rehearsal says what its frames show; the pool answers with the features of some picture that shows
just that.
"""

from __future__ import annotations

from collections import defaultdict

import numpy as np
import torch
from transformers.models.qwen2_5_vl.modeling_qwen2_5_vl import (
    Qwen2_5_VisionTransformerPretrainedModel as VisionTower,
)

from eva_graph_training.nano.pictures import BORDERS, Pictures, patches
from eva_graph_training.nano.sight import OVERVIEW
from eva_graph_training.world.scene import LETTERS
from eva_graph_training.world.teacher import Sighting

FEATURE_LENGTH = 1.5


def level_features(tower: VisionTower, sample: Pictures) -> None:
    """Centre the tower's output and bring it to the size of word vectors, within its last layer.

    Stage one leaves features some forty times longer than words, most of it the same for all
    pictures: attention can hardly write anything beside them.
    """
    features = _features(tower, sample.pixels).flatten(0, 1)
    middle = features.mean(0)
    scale = FEATURE_LENGTH / (features - middle).norm(dim=-1).mean()
    last = tower.get_submodule("merger.mlp.2")
    with torch.no_grad():
        last.get_parameter("weight").mul_(scale)
        last.get_parameter("bias").sub_(middle).mul_(scale)


class FeaturePool:
    """Merged visual features (pictures, patches, width) of each size, found by what they show."""

    def __init__(self, tower: VisionTower, pictures: dict[int, Pictures]) -> None:
        self.features: dict[int, torch.Tensor] = {}
        self.places: dict[tuple[int, ...], list[int]] = defaultdict(list)
        for side, group in pictures.items():
            self.features[side] = _features(tower, group.pixels)
            classes = zip(group.letter, group.small, group.border, strict=True)
            for place, (letter, small, border) in enumerate(classes):
                self.places[_key(side, int(letter), int(small), int(border))].append(place)

    def draw(self, seen: Sighting, rng: np.random.Generator) -> torch.Tensor:
        """Features (patches, width) of some picture that shows what was seen."""
        moment, side = seen.moment, seen.width_pixels
        key = _key(
            side, LETTERS.index(moment.letter), int(moment.small), BORDERS.index(moment.border)
        )
        found = self.places[key]
        return self.features[side][found[int(rng.integers(len(found)))]]


def _key(side: int, letter: int, small: int, border: int) -> tuple[int, ...]:
    return (side, border) if side == OVERVIEW else (side, letter, small, border)


def _features(tower: VisionTower, pixels: torch.Tensor) -> torch.Tensor:
    parts: list[torch.Tensor] = []
    with torch.no_grad():
        for chunk in pixels.split(64):
            rows, grid = patches(chunk)
            merged = tower(rows, grid_thw=grid).pooler_output
            parts.append(merged.reshape(len(chunk), -1, merged.shape[-1]))
    return torch.cat(parts)
