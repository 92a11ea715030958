"""Visual features computed once: the eyes of the language stage.

A lesson says what its frames show; the pool answers with the features of some picture that shows
just that.
"""

from __future__ import annotations

from collections import defaultdict
from typing import Final

import numpy as np
import torch
from transformers.models.qwen2_5_vl.modeling_qwen2_5_vl import (
    Qwen2_5_VisionTransformerPretrainedModel as VisionTower,
)

from eva_graph_training.base.patches import merged_features
from eva_graph_training.base.views import BORDERS, CODE_VIEWS, Pictures, ViewName, view_of
from eva_graph_training.world.plot import LETTERS
from eva_graph_training.world.solving import Sighting

FEATURE_LENGTH: Final = 1.5
_AT_ONCE: Final = 64
Sign = tuple[str | int, ...]


def level_features(tower: VisionTower, sample: torch.Tensor) -> None:
    """Centre the tower's output and bring it to the size of word vectors, within its last layer.

    Stage one leaves features some forty times longer than words, most of it the same for all
    pictures: attention can hardly write anything beside them.
    """
    features = _features(tower, sample).flatten(0, 1)
    middle = features.mean(0)
    scale = FEATURE_LENGTH / (features - middle).norm(dim=-1).mean()
    last = tower.get_submodule("merger.mlp.2")
    with torch.no_grad():
        last.get_parameter("weight").mul_(scale)
        last.get_parameter("bias").sub_(middle).mul_(scale)


class FeaturePool:
    """Merged visual features (pictures, patches, width) of each view, found by what they show.

    Attributes:
        codes: the codes that pictures show, by view; only these can be asked for.
    """

    def __init__(self, tower: VisionTower, pictures: dict[ViewName, Pictures]) -> None:
        self.codes: dict[ViewName, list[str]] = {}
        self._features: dict[ViewName, torch.Tensor] = {}
        self._signs: dict[Sign, list[int]] = defaultdict(list)
        self._codes: dict[tuple[ViewName, str], list[int]] = defaultdict(list)
        for view, group in pictures.items():
            self._features[view] = _features(tower, group.pixels)
            self._sort(view, group)

    def draw(self, seen: Sighting, rng: np.random.Generator, *, code: bool) -> torch.Tensor:
        """Features (patches, width) of some picture that shows what was seen.

        Args:
            seen: one frame of a look.
            rng: which of the pictures.
            code: the small print is what counts, else sign and border.

        Raises:
            ValueError: no picture shows that.
        """
        view = view_of(seen.width_pixels, seen.box)
        letter, border = LETTERS.index(seen.letter), BORDERS.index(seen.border)
        sign = _sign(view, letter, int(seen.small), border)
        found = self._codes[view, seen.code] if code else self._signs[sign]
        if not found:
            raise ValueError(f"no picture in the view {view!r} shows {seen}")
        return self._features[view][found[int(rng.integers(len(found)))]]

    def _sort(self, view: ViewName, group: Pictures) -> None:
        classes = zip(group.letter, group.small, group.border, group.code, strict=True)
        for place, (letter, small, border, digits) in enumerate(classes):
            self._signs[_sign(view, int(letter), int(small), int(border))].append(place)
            if view in CODE_VIEWS:
                self._codes[view, "".join(str(int(digit)) for digit in digits)].append(place)
        if view in CODE_VIEWS:
            self.codes[view] = sorted(code for where, code in self._codes if where == view)


def _sign(view: ViewName, letter: int, small: int, border: int) -> Sign:
    """What a picture of a view is chosen by; close ones are too few for every border as well."""
    if view == "overview":
        return view, border
    return (view, letter, small, border) if view == "reading" else (view, letter, small)


def _features(tower: VisionTower, pixels: torch.Tensor) -> torch.Tensor:
    with torch.no_grad():
        return torch.cat([merged_features(tower, chunk) for chunk in pixels.split(_AT_ONCE)])
