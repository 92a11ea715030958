"""Stage one: the vision tower learns to see before any language exists.

A throw-away head on the tower names letter, size, border colour and code of single pictures. Each
counts only in the views where it can be made out.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import torch
from torch import nn
from torch.nn import functional
from transformers.models.qwen2_5_vl.modeling_qwen2_5_vl import (
    Qwen2_5_VisionTransformerPretrainedModel as VisionTower,
)

from eva_graph_training.base.patches import merged_features
from eva_graph_training.base.views import BORDERS, CODE_VIEWS, Pictures, ViewName
from eva_graph_training.nano.architecture import TEXT_WIDTH, vision_config
from eva_graph_training.world.plot import CODE_DIGITS, LETTERS

BATCH: Final[dict[ViewName, int]] = {
    "overview": 64, "reading": 64, "close": 16, "sign": 64, "print": 128,
}  # fmt: skip
SHARES: Final[dict[ViewName, float]] = {
    "reading": 0.3, "sign": 0.15, "print": 0.35, "close": 0.12, "overview": 0.08,
}  # fmt: skip
_DIGITS: Final = 10
_SEES_LETTER: Final = ("reading", "close", "sign")
_SEES_BORDER: Final = ("overview", "reading", "close")


@dataclass(frozen=True, slots=True, kw_only=True)
class Guess:
    """Class scores: letter (n, 12), small (n, 2), border (n, 6), code (n, 3, 10)."""

    letter: torch.Tensor
    small: torch.Tensor
    border: torch.Tensor
    code: torch.Tensor


class SightHead(nn.Module):
    """Attention pooling over the merged patches of a picture, then linear classifiers."""

    def __init__(self) -> None:
        super().__init__()
        self.weigh = nn.Linear(TEXT_WIDTH, 1 + CODE_DIGITS)
        self.letter = nn.Linear(TEXT_WIDTH, len(LETTERS))
        self.small = nn.Linear(TEXT_WIDTH, 2)
        self.border = nn.Linear(TEXT_WIDTH, len(BORDERS))
        self.code = nn.ModuleList(nn.Linear(TEXT_WIDTH, _DIGITS) for _ in range(CODE_DIGITS))

    def forward(self, merged: torch.Tensor) -> Guess:
        """Guesses from merged patches (n, patches, width)."""
        pooled = self.weigh(merged).softmax(1).transpose(1, 2) @ merged
        digits = [read(pooled[:, 1 + place]) for place, read in enumerate(self.code)]
        return Guess(
            letter=self.letter(pooled[:, 0]),
            small=self.small(pooled[:, 0]),
            border=self.border(merged.mean(1)),
            code=torch.stack(digits, dim=1),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class SightPlan:
    """Length and rate of the stage; the first `start_steps` see reading size alone."""

    steps: int = 2000
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

    def run(
        self,
        data: dict[ViewName, Pictures],
        held_out: dict[ViewName, Pictures],
        log_every: int,
    ) -> None:
        """Train to the end of the plan, printing held-out figures and saving as it goes."""
        while self.step < self.plan.steps:
            view = self._view_of_step()
            rng = np.random.default_rng((self.plan.seed, self.step))
            rows = torch.from_numpy(rng.integers(0, len(data[view].letter), BATCH[view]))
            for group in self.optimiser.param_groups:
                group["lr"] = self._rate()
            loss = self._loss(view, data[view], rows)
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

    def score(self, held_out: dict[ViewName, Pictures]) -> dict[str, float]:
        """Accuracy by what is seen and in which view."""
        figures: dict[str, float] = {}
        with torch.no_grad():
            for view, pictures in held_out.items():
                guess = self._guess(pictures.pixels)
                if view in _SEES_BORDER:
                    right = guess.border.argmax(1) == pictures.border
                    figures[f"border@{view}"] = _share(right)
                if view == "reading":
                    figures["small@reading"] = _share(guess.small.argmax(1) == pictures.small)
                if view in _SEES_LETTER:
                    right = guess.letter.argmax(1) == pictures.letter
                    figures[f"letter@{view}"] = _share(right[legible(view, pictures.small)])
                if view in CODE_VIEWS:
                    right = (guess.code.argmax(2) == pictures.code).all(1)
                    figures[f"code@{view}"] = _share(right)
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

    def _view_of_step(self) -> ViewName:
        if self.step < self.plan.start_steps:
            return "reading"
        draw = np.random.default_rng((self.plan.seed, self.step, 7)).random()
        for view, share in SHARES.items():
            draw -= share
            if draw < 0:
                return view
        return "reading"

    def _rate(self) -> float:
        warm = min(1.0, (self.step + 1) / 50)
        cosine = 0.5 * (1 + math.cos(math.pi * self.step / self.plan.steps))
        return self.plan.learning_rate * warm * max(cosine, 0.02)

    def _guess(self, pixels: torch.Tensor) -> Guess:
        guess: Guess = self.head(merged_features(self.tower, pixels))
        return guess

    def _loss(self, view: ViewName, data: Pictures, rows: torch.Tensor) -> torch.Tensor:
        guess = self._guess(data.pixels[rows])
        loss = torch.zeros(())
        if view in _SEES_BORDER:
            loss = loss + functional.cross_entropy(guess.border, data.border[rows])
        if view == "reading":
            loss = loss + functional.cross_entropy(guess.small, data.small[rows])
        if view in _SEES_LETTER:
            seen = legible(view, data.small[rows])
            letters = data.letter[rows][seen]
            loss = loss + functional.cross_entropy(guess.letter[seen], letters)
        if view in CODE_VIEWS:
            digits = data.code[rows].flatten()
            loss = loss + functional.cross_entropy(guess.code.flatten(0, 1), digits)
        return loss


def legible(view: ViewName, small: torch.Tensor) -> torch.Tensor:
    """Which letters count in a view: the large ones at reading size, all at full detail."""
    return small == 0 if view == "reading" else torch.ones_like(small, dtype=torch.bool)


def _share(right: torch.Tensor) -> float:
    return right.float().mean().item()
