"""Stage one: the vision tower learns to see before any language exists.

A throw-away head on the tower names letter, size and border colour of single pictures. Pictures
come at the three sizes of the looks; the letter counts only where it is legible at that size.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import nn
from torch.nn import functional
from transformers.models.qwen2_5_vl.modeling_qwen2_5_vl import (
    Qwen2_5_VisionTransformerPretrainedModel as VisionTower,
)

from eva_graph_training.nano.architecture import TEXT_WIDTH, vision_config
from eva_graph_training.nano.pictures import BORDERS, MERGE, PATCH_PIXELS, Pictures, patches
from eva_graph_training.world.scene import LETTERS

OVERVIEW, READING, CLOSE = 56, 112, 224
BATCH = {OVERVIEW: 64, READING: 64, CLOSE: 16}
SHARES_AFTER_START = {READING: 0.5, CLOSE: 0.35, OVERVIEW: 0.15}


class SightHead(nn.Module):
    """Attention pooling over the merged patches of a picture, then three linear classifiers."""

    def __init__(self) -> None:
        super().__init__()
        self.weigh = nn.Linear(TEXT_WIDTH, 1)
        self.letter = nn.Linear(TEXT_WIDTH, len(LETTERS))
        self.small = nn.Linear(TEXT_WIDTH, 2)
        self.border = nn.Linear(TEXT_WIDTH, len(BORDERS))

    def forward(self, merged: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Class scores of merged patches (n, patches, width)."""
        pooled = (self.weigh(merged).softmax(1) * merged).sum(1)
        return self.letter(pooled), self.small(pooled), self.border(merged.mean(1))


@dataclass(frozen=True, slots=True, kw_only=True)
class SightPlan:
    """Length and rate of the stage; the first `start_steps` see reading size only."""

    steps: int = 1400
    start_steps: int = 200
    learning_rate: float = 1e-3
    seed: int = 1


class SightTraining:
    """The resumable loop. The checkpoint holds tower, head, optimiser and step."""

    def __init__(self, plan: SightPlan, checkpoint: Path) -> None:
        self.plan, self.checkpoint = plan, checkpoint
        torch.manual_seed(plan.seed)
        self.tower = VisionTower(vision_config())
        self.head = SightHead()
        self.parameters = [*self.tower.parameters(), *self.head.parameters()]
        self.optimiser = torch.optim.AdamW(
            self.parameters, lr=plan.learning_rate, betas=(0.9, 0.95), weight_decay=0.05
        )
        self.step = 0
        if checkpoint.exists():
            self._load()

    def run(self, data: dict[int, Pictures], held_out: dict[int, Pictures], log_every: int) -> None:
        """Train to the end of the plan, printing held-out figures and saving as it goes."""
        while self.step < self.plan.steps:
            side = self._size_of_step()
            rng = np.random.default_rng((self.plan.seed, self.step))
            rows = torch.from_numpy(rng.integers(0, len(data[side].letter), BATCH[side]))
            for group in self.optimiser.param_groups:
                group["lr"] = self._rate()
            loss = self._loss(side, data[side], rows)
            loss.backward()
            nn.utils.clip_grad_norm_(self.parameters, 1.0)
            self.optimiser.step()
            self.optimiser.zero_grad()
            self.step += 1
            if self.step % log_every == 0 or self.step == self.plan.steps:
                self.save()
                figures = " ".join(
                    f"{key}={value:.3f}" for key, value in self.score(held_out).items()
                )
                print(f"sight step {self.step} loss {loss.item():.3f} {figures}", flush=True)

    def score(self, held_out: dict[int, Pictures]) -> dict[str, float]:
        """Accuracy per size: legible letters, glyph size at reading size, borders."""
        figures: dict[str, float] = {}
        with torch.no_grad():
            for side, pictures in held_out.items():
                letter, small, border = self._classify(side, pictures.pixels)
                figures[f"border@{side}"] = _share(border.argmax(1) == pictures.border)
                if side == READING:
                    figures["small@112"] = _share(small.argmax(1) == pictures.small)
                if side != OVERVIEW:
                    legible = legible_letters(side, pictures.small)
                    right = letter.argmax(1) == pictures.letter
                    figures[f"letter@{side}"] = _share(right[legible])
        return figures

    def save(self) -> None:
        """Write the checkpoint in one move."""
        fresh = self.checkpoint.with_suffix(".new")
        state = {
            "tower": self.tower.state_dict(),
            "head": self.head.state_dict(),
            "optimiser": self.optimiser.state_dict(),
            "step": self.step,
        }
        torch.save(state, fresh)
        fresh.replace(self.checkpoint)

    def _load(self) -> None:
        state = torch.load(self.checkpoint)
        self.tower.load_state_dict(state["tower"])
        self.head.load_state_dict(state["head"])
        self.optimiser.load_state_dict(state["optimiser"])
        self.step = state["step"]

    def _size_of_step(self) -> int:
        if self.step < self.plan.start_steps:
            return READING
        draw = np.random.default_rng((self.plan.seed, self.step, 7)).random()
        for side, share in SHARES_AFTER_START.items():
            draw -= share
            if draw < 0:
                return side
        return OVERVIEW

    def _rate(self) -> float:
        warm = min(1.0, (self.step + 1) / 50)
        cosine = 0.5 * (1 + math.cos(math.pi * self.step / self.plan.steps))
        return self.plan.learning_rate * warm * max(cosine, 0.02)

    def _classify(
        self, side: int, pixels: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        rows, grid = patches(pixels)
        merged = self.tower(rows, grid_thw=grid).pooler_output
        per_picture = (side // PATCH_PIXELS // MERGE) ** 2
        scores: tuple[torch.Tensor, torch.Tensor, torch.Tensor] = self.head(
            merged.reshape(len(pixels), per_picture, -1)
        )
        return scores

    def _loss(self, side: int, data: Pictures, rows: torch.Tensor) -> torch.Tensor:
        letter, small, border = self._classify(side, data.pixels[rows])
        loss = functional.cross_entropy(border, data.border[rows])
        if side == READING:
            loss = loss + functional.cross_entropy(small, data.small[rows])
        if side != OVERVIEW:
            legible = legible_letters(side, data.small[rows])
            loss = loss + functional.cross_entropy(letter[legible], data.letter[rows][legible])
        return loss


def legible_letters(side: int, small: torch.Tensor) -> torch.Tensor:
    """Which letters count at this size: all in close looks, the large ones at reading size."""
    return torch.ones_like(small, dtype=torch.bool) if side == CLOSE else small == 0


def _share(right: torch.Tensor) -> float:
    return right.float().mean().item()
