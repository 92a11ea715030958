"""Stage two: the language model learns to converse, on rehearsals, while the tower is held still.

Visual features of a pool of pictures are computed once; a rehearsal's frames are drawn from the
pool by what they show. So a step costs text only.
"""

from __future__ import annotations

import math
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import nn
from torch.nn import functional
from transformers import PreTrainedTokenizerFast, Qwen2_5_VLForConditionalGeneration
from transformers.models.qwen2_5_vl.modeling_qwen2_5_vl import (
    Qwen2_5_VisionTransformerPretrainedModel as VisionTower,
)

from eva_graph_training.nano.encoding import (
    IGNORED,
    TokenBatch,
    TokenRow,
    batches_of,
    collate,
    encode,
)
from eva_graph_training.nano.pictures import BORDERS, Pictures, patches
from eva_graph_training.nano.rehearsal import random_fragment, random_rehearsal
from eva_graph_training.nano.sight import OVERVIEW
from eva_graph_training.nano.tokens import IMAGE_PAD, PAD, token_id
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


@dataclass(frozen=True, slots=True, kw_only=True)
class DialoguePlan:
    """Length, rate, batch size and mixture of the stage."""

    steps: int = 2500
    learning_rate: float = 1e-3
    batch: int = 32
    tokens_at_once: int = 6000
    """Padded tokens of one pass; a batch of conversations takes as many passes as it needs."""
    time_share: float = 0.35
    start_steps: int = 500
    """Steps at the start that see fragments only: short, so that looking comes first."""
    fragment_share: float = 0.4
    """Share of fragments among the conversations afterwards."""
    seed: int = 2


class DialogueTraining:
    """The resumable loop. The checkpoint holds the language model, the optimiser and the step."""

    def __init__(
        self,
        plan: DialoguePlan,
        model: Qwen2_5_VLForConditionalGeneration,
        tokenizer: PreTrainedTokenizerFast,
        pool: FeaturePool,
        checkpoint: Path,
    ) -> None:
        self.plan, self.model, self.tokenizer, self.pool = plan, model, tokenizer, pool
        self.checkpoint = checkpoint
        self.language = model.model.language_model
        self.optimiser = torch.optim.AdamW(
            self.language.parameters(), lr=plan.learning_rate, betas=(0.9, 0.95), weight_decay=0.05
        )
        self.pad = token_id(tokenizer, IMAGE_PAD)
        self.filler = token_id(tokenizer, PAD)
        self.step = 0
        if checkpoint.exists():
            state = torch.load(checkpoint)
            self.language.load_state_dict(state["language"])
            self.optimiser.load_state_dict(state["optimiser"])
            self.step = state["step"]

    def run(self, held_out: list[TokenRow], log_every: int) -> None:
        """Train to the end of the plan, printing held-out figures and saving as it goes."""
        while self.step < self.plan.steps:
            rng = np.random.default_rng((self.plan.seed, self.step))
            fragments = 1.0 if self.step < self.plan.start_steps else self.plan.fragment_share
            rows = self.rehearsals(rng, self.plan.batch, fragments)
            loss = self._train(rows, rng)
            self.step += 1
            if self.step % log_every == 0 or self.step == self.plan.steps:
                self.save()
                figures = " ".join(f"{k}={v:.3f}" for k, v in self.score(held_out).items())
                print(f"dialogue step {self.step} loss {loss:.4f} {figures}", flush=True)

    def rehearsals(
        self, rng: np.random.Generator, count: int, fragment_share: float
    ) -> list[TokenRow]:
        """Fresh conversations and fragments as token rows."""
        return [
            encode(
                random_fragment(rng)
                if rng.random() < fragment_share
                else random_rehearsal(rng, time_share=self.plan.time_share),
                self.tokenizer,
            )
            for _ in range(count)
        ]

    def score(self, held_out: list[TokenRow]) -> dict[str, float]:
        """Share of assistant turns whose every token is the likeliest, by kind of turn."""
        right: dict[str, list[bool]] = defaultdict(list)
        rng = np.random.default_rng(0)
        with torch.no_grad():
            for rows in batches_of(held_out, self.plan.tokens_at_once):
                batch = collate(rows, self.filler)
                guesses = self._logits(batch, rng).argmax(-1).numpy()
                for number, row in enumerate(rows):
                    for start, end, text in row.turns:
                        same = guesses[number, start - 1 : end - 1] == row.ids[start:end]
                        right[kind_of_turn(text)].append(bool(same.all()))
        return {kind: float(np.mean(values)) for kind, values in sorted(right.items())}

    def save(self) -> None:
        """Write the checkpoint in one move."""
        state = {
            "language": self.language.state_dict(),
            "optimiser": self.optimiser.state_dict(),
            "step": self.step,
        }
        fresh = self.checkpoint.with_suffix(".new")
        torch.save(state, fresh)
        fresh.replace(self.checkpoint)

    def _train(self, rows: list[TokenRow], rng: np.random.Generator) -> float:
        for group in self.optimiser.param_groups:
            group["lr"] = self._rate()
        count = sum(int((row.labels != IGNORED).sum()) for row in rows)
        total = 0.0
        for part in batches_of(rows, self.plan.tokens_at_once):
            logits, targets = self._supervised(collate(part, self.filler), rng)
            loss = functional.cross_entropy(logits.float(), targets, reduction="sum") / count
            loss.backward()
            total += loss.item()
        nn.utils.clip_grad_norm_(self.language.parameters(), 1.0)
        self.optimiser.step()
        self.optimiser.zero_grad()
        return total

    def _supervised(
        self, batch: TokenBatch, rng: np.random.Generator
    ) -> tuple[torch.Tensor, torch.Tensor]:
        hidden = self._hidden(batch, rng)[:, :-1]
        targets = batch.labels[:, 1:]
        kept = targets != IGNORED
        return self.model.lm_head(hidden[kept]), targets[kept]

    def _logits(self, batch: TokenBatch, rng: np.random.Generator) -> torch.Tensor:
        logits: torch.Tensor = self.model.lm_head(self._hidden(batch, rng))
        return logits

    def _hidden(self, batch: TokenBatch, rng: np.random.Generator) -> torch.Tensor:
        inputs = self.language.embed_tokens(batch.ids)
        seen = [self.pool.draw(one, rng) for row in batch.rows for one in row.sightings]
        where = batch.ids == self.pad
        inputs = inputs.masked_scatter(where[..., None], torch.cat(seen))
        with torch.autocast("cpu", torch.bfloat16):
            output = self.language(inputs_embeds=inputs, position_ids=batch.positions)
        hidden: torch.Tensor = output.last_hidden_state.float()
        return hidden

    def _rate(self) -> float:
        warm = min(1.0, (self.step + 1) / 100)
        cosine = 0.5 * (1 + math.cos(math.pi * min(self.step / self.plan.steps, 1.0)))
        return self.plan.learning_rate * warm * max(cosine, 0.03)


def kind_of_turn(text: str) -> str:
    """`first`, `miss`, `hit`, `small` or `answer`."""
    if not text.startswith("Reflection: "):
        return "first"
    marks = {"answer": "<answer>", "miss": "in none of these", "small": "too small"}
    return next((kind for kind, mark in marks.items() if mark in text), "hit")
