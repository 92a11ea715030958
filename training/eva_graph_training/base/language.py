"""Stage two: the language model learns to tell what a look showed, around the finished tower.

The tower is held still, and its features come from a pool that is computed once.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import nn
from torch.nn import functional
from transformers import PreTrainedTokenizerFast, Qwen2_5_VLForConditionalGeneration

from eva_graph_training.base.encoding import (
    IGNORED,
    TokenBatch,
    TokenRow,
    batches_of,
    collate,
    encode,
)
from eva_graph_training.base.features import FeaturePool
from eva_graph_training.base.lessons import draw_lesson
from eva_graph_training.nano.tokens import IMAGE_PAD, PAD, token_id


@dataclass(frozen=True, slots=True, kw_only=True)
class LanguagePlan:
    """Length and rate of the stage."""

    steps: int = 2400
    batch: int = 32
    learning_rate: float = 1e-3
    tokens_at_once: int = 4500
    """Padded tokens of one pass; a batch takes as many passes as it needs."""
    seed: int = 2


class LanguageTraining:
    """The resumable loop. The checkpoint holds the language model, the optimiser and the step."""

    def __init__(
        self,
        plan: LanguagePlan,
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

    def run(self, held_out: Sequence[TokenRow], log_every: int) -> None:
        """Train to the end of the plan, printing held-out figures and saving as it goes."""
        while self.step < self.plan.steps:
            rng = np.random.default_rng((self.plan.seed, self.step))
            loss = self._train(self.lessons(rng, self.plan.batch), rng)
            self.step += 1
            if self.step % log_every == 0 or self.step == self.plan.steps:
                self.save()
                figures = " ".join(f"{k}={v:.3f}" for k, v in self.score(held_out).items())
                print(f"language step {self.step} loss {loss:.4f} {figures}", flush=True)

    def lessons(self, rng: np.random.Generator, count: int) -> list[TokenRow]:
        """Fresh lessons as token rows."""
        drawn = (draw_lesson(rng, self.pool.codes) for _ in range(count))
        return [encode(lesson, self.tokenizer) for lesson in drawn]

    def score(self, held_out: Sequence[TokenRow]) -> dict[str, float]:
        """Share of reflections whose every token is the likeliest, by what was asked."""
        right: dict[str, list[bool]] = defaultdict(list)
        rng = np.random.default_rng(0)
        with torch.no_grad():
            for rows in batches_of(held_out, self.plan.tokens_at_once):
                batch = collate(rows, self.filler)
                guesses = self.model.lm_head(self._hidden(batch, rng)).argmax(-1)[:, :-1]
                told = batch.labels[:, 1:]
                same = ((guesses == told) | (told == IGNORED)).all(1)
                for row, whole in zip(rows, same, strict=True):
                    right[_asked(row)].append(bool(whole))
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

    def _train(self, rows: Sequence[TokenRow], rng: np.random.Generator) -> float:
        for group in self.optimiser.param_groups:
            group["lr"] = self._rate()
        weight = float(sum(row.weights.sum() for row in rows))
        total = 0.0
        for part in batches_of(rows, self.plan.tokens_at_once):
            batch = collate(part, self.filler)
            kept = batch.labels[:, 1:] != IGNORED
            logits = self.model.lm_head(self._hidden(batch, rng)[:, :-1][kept])
            each = functional.cross_entropy(logits, batch.labels[:, 1:][kept], reduction="none")
            loss = (each * batch.weights[:, 1:][kept]).sum() / weight
            loss.backward()
            total += loss.item()
        nn.utils.clip_grad_norm_(self.language.parameters(), 1.0)
        self.optimiser.step()
        self.optimiser.zero_grad()
        return total

    def _hidden(self, batch: TokenBatch, rng: np.random.Generator) -> torch.Tensor:
        inputs = self.language.embed_tokens(batch.ids)
        seen = [
            self.pool.draw(one, rng, code=_asked(row) == "code")
            for row in batch.rows
            for one in row.sightings
        ]
        where = batch.ids == self.pad
        inputs = inputs.masked_scatter(where[..., None], torch.cat(seen))
        with torch.autocast("cpu", torch.bfloat16):
            output = self.language(inputs_embeds=inputs, position_ids=batch.positions)
        hidden: torch.Tensor = output.last_hidden_state.float()
        return hidden

    def _rate(self) -> float:
        warm = min(1.0, (self.step + 1) / 50)
        left = 1 - self.step / self.plan.steps
        return self.plan.learning_rate * warm * min(1.0, max(2 * left, 0.05))


def _asked(row: TokenRow) -> str:
    """`letter`, `code`, `count`, `order`, `search` or `inventory`."""
    question = row.lesson.messages[1][1].rsplit("Question: ", 1)[1]
    searched = len(row.sightings) > 1
    starts = {
        "What code": "code",
        "How many": "count",
        "Which border": "order",
        "Where": "inventory",
        "What letter": "search" if searched else "letter",
    }
    return next(kind for start, kind in starts.items() if question.startswith(start))
