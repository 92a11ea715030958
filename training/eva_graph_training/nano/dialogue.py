"""Stage two: the language model learns to converse, on rehearsals, while the tower is held still.

Visual features of a pool of pictures are computed once; a rehearsal's frames are drawn from the
pool by what they show. So a step costs text only.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import nn
from torch.nn import functional
from transformers import PreTrainedTokenizerFast, Qwen2_5_VLForConditionalGeneration

from eva_graph_training.nano.encoding import (
    IGNORED,
    TokenBatch,
    TokenRow,
    batches_of,
    collate,
    encode,
)
from eva_graph_training.nano.features import FeaturePool
from eva_graph_training.nano.lessons import Mixture
from eva_graph_training.nano.tokens import IMAGE_PAD, PAD, token_id


@dataclass(frozen=True, slots=True, kw_only=True)
class Phase:
    """So many steps on batches of so many texts of a mixture."""

    steps: int
    batch: int
    mixture: Mixture


WHOLE = Mixture(readings=0.0, overviews=0.0)
LESSONS = Mixture(readings=0.35, overviews=0.35, first_turns=0.3)
BOTH = Mixture(readings=0.13, overviews=0.32, openings=0.4)


@dataclass(frozen=True, slots=True, kw_only=True)
class DialoguePlan:
    """Phases and rate of the stage: short lessons first, then openings and conversations too."""

    phases: tuple[Phase, ...] = (
        Phase(steps=1000, batch=32, mixture=LESSONS),
        Phase(steps=800, batch=20, mixture=BOTH),
    )
    learning_rate: float = 1e-3
    tokens_at_once: int = 4500
    """Padded tokens of one pass; a batch takes as many passes as it needs."""
    seed: int = 2

    @property
    def steps(self) -> int:
        """Steps of all phases."""
        return sum(phase.steps for phase in self.phases)

    def phase_at(self, step: int) -> Phase:
        """The phase that a step belongs to."""
        for phase in self.phases:
            if step < phase.steps:
                return phase
            step -= phase.steps
        return self.phases[-1]


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
            phase = self.plan.phase_at(self.step)
            rows = self.texts(rng, phase.batch, phase.mixture)
            loss = self._train(rows, rng)
            self.step += 1
            if self.step % log_every == 0 or self.step == self.plan.steps:
                self.save()
                figures = " ".join(f"{k}={v:.3f}" for k, v in self.score(held_out).items())
                print(f"dialogue step {self.step} loss {loss:.4f} {figures}", flush=True)

    def texts(self, rng: np.random.Generator, count: int, mixture: Mixture) -> list[TokenRow]:
        """Fresh texts as token rows."""
        return [encode(mixture.draw(rng), self.tokenizer) for _ in range(count)]

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
        weight = float(sum(row.weights.sum() for row in rows))
        total = 0.0
        for part in batches_of(rows, self.plan.tokens_at_once):
            batch = collate(part, self.filler)
            logits, targets = self._supervised(batch, rng)
            each = functional.cross_entropy(logits.float(), targets, reduction="none")
            loss = (each * batch.weights[:, 1:][batch.labels[:, 1:] != IGNORED]).sum() / weight
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
        if seen:
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


def kind_of_turn(text: str) -> str:
    """`first`, `miss`, `hit`, `small`, `answer` or `inventory`."""
    if not text.startswith("Reflection: "):
        return "first"
    if "Summary: " not in text and "<answer>" not in text:
        return "inventory"
    marks = {"answer": "<answer>", "miss": "in none of these", "small": "too small"}
    return next((kind for kind, mark in marks.items() if mark in text), "hit")
