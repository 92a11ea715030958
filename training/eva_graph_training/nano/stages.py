"""nano from nothing to a model folder: what each stage reads and writes in one working folder.

    pictures/            rendered single pictures, by size
    sight.pt             stage 1, the vision tower
    start/               tokenizer and untrained language model around the tower
    dialogue.pt          stage 2, the language model on rehearsals
    rehearsed/           the model folder after stage 2
    train/, test/        videos and recorded runs
    sft/                 stage 4, checkpoints, log and the model folder `sft/model/`

Every stage goes on where it was stopped.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from transformers import (
    PreTrainedTokenizerFast,
    Qwen2_5_VLForConditionalGeneration,
)

from eva_graph.policy.processor import chat_template, load_model
from eva_graph_training.nano.dialogue import WHOLE, DialoguePlan, DialogueTraining
from eva_graph_training.nano.evaluate import FRAMES, Frames, Outcome, ask_all
from eva_graph_training.nano.features import FeaturePool, level_features
from eva_graph_training.nano.folder import new_model, save_folder
from eva_graph_training.nano.pictures import Pictures, kept_pictures
from eva_graph_training.nano.play import Tally, play
from eva_graph_training.nano.sight import CLOSE, OVERVIEW, READING, SightPlan, SightTraining
from eva_graph_training.nano.tokens import build_tokenizer
from eva_graph_training.recipe import Recipe, SftStage
from eva_graph_training.stages.sft import train_sft
from eva_graph_training.world.sets import WorldSetPlan

TRAIN_SET = WorldSetPlan(first_seed=1000, short_videos=320, long_videos=60)
TEST_SET = WorldSetPlan(
    first_seed=500_000, short_videos=130, long_videos=70, events_per_short=2, times_per_long=2
)
SFT = SftStage(
    max_steps=200,
    batch=8,
    per_device_batch=4,
    learning_rate=2e-4,
    warmup_share=0.05,
    precision="fp32",
    activation_checkpointing=False,
    train_vision=False,
    trackers=(),
)
VOCABULARY_SIZE = 1024
LOG_EVERY = 50
_SMALL_SHARES = {OVERVIEW: 0.3, READING: 0.25, CLOSE: 1.0}
_COUNTS = {OVERVIEW: 5000, READING: 12000, CLOSE: 3000}
_HELD_OUT_COUNTS = {OVERVIEW: 512, READING: 512, CLOSE: 160}


@dataclass(frozen=True, slots=True, kw_only=True)
class Workshop:
    """The stages over one working folder."""

    work: Path

    def perception(self) -> None:
        """Stage 1: render pictures and train the vision tower on them."""
        self.work.mkdir(parents=True, exist_ok=True)
        training = SightTraining(SightPlan(), self.work / "sight.pt")
        training.run(self._pictures(held_out=False), self._pictures(held_out=True), LOG_EVERY)

    def rehearsal(self) -> None:
        """Stage 2: train the language model on rehearsals around the finished tower."""
        tokenizer = self._tokenizer()
        model = self._start(tokenizer)
        pool = FeaturePool(model.model.visual, self._pictures(held_out=False))
        training = DialogueTraining(
            DialoguePlan(), model, tokenizer, pool, self.work / "dialogue.pt"
        )
        held_out = training.texts(np.random.default_rng(987_654), 80, WHOLE)
        training.run(held_out, LOG_EVERY)
        save_folder(model, tokenizer, self.work / "rehearsed", torch.float32)

    def trajectories(self) -> Tally:
        """Stage 3: the teacher plays the training set through the real graph."""
        return play(TRAIN_SET, videos=self.work / "train/videos", run=self.work / "train/run")

    def sft(self) -> None:
        """Stage 4: supervised fine-tuning on the recorded trajectories, with TRL."""
        train_sft(
            Recipe(
                summary="stage 4 of nano",
                work=str(self.work),
                model=str(self.work / "rehearsed"),
                runs=(str(self.work / "train/run"),),
                sft=SFT,
            )
        )

    def evaluate(self, folder: Path | None = None) -> list[tuple[Frames, list[Outcome]]]:
        """Ask a model folder (None: the one of stage 4) the questions of the test set."""
        policy = folder or self._tuned
        test = self.work / "test"
        return [
            (
                frames,
                ask_all(
                    policy,
                    TEST_SET,
                    videos=test / "videos",
                    run=test / (folder.name if folder else "tuned") / frames,
                    frames=frames,
                ),
            )
            for frames in FRAMES
        ]

    def export(self, folder: Path) -> None:
        """Write the model of stage 4 with 16-bit weights."""
        model = load_model(self._tuned)
        save_folder(model, self._tokenizer(), folder, torch.bfloat16)

    @property
    def _tuned(self) -> Path:
        return self.work / "sft/model"

    def _pictures(self, *, held_out: bool) -> dict[int, Pictures]:
        counts = _HELD_OUT_COUNTS if held_out else _COUNTS
        name = "held-out" if held_out else "train"
        return {
            side: kept_pictures(
                self.work / "pictures" / f"{name}-{side}.pt",
                count,
                side,
                seed=side + (90_000 if held_out else 0),
                small_share=_SMALL_SHARES[side],
            )
            for side, count in counts.items()
        }

    def _tokenizer(self) -> PreTrainedTokenizerFast:
        folder = self.work / "start"
        if not folder.is_dir():
            built = build_tokenizer(chat_template(), vocabulary_size=VOCABULARY_SIZE)
            built.save_pretrained(folder)
        tokenizer: PreTrainedTokenizerFast = PreTrainedTokenizerFast.from_pretrained(folder)
        return tokenizer

    def _start(self, tokenizer: PreTrainedTokenizerFast) -> Qwen2_5_VLForConditionalGeneration:
        model = new_model(tokenizer, seed=0)
        tower = model.model.visual
        tower.load_state_dict(torch.load(self.work / "sight.pt")["tower"])
        level_features(tower, self._pictures(held_out=True)[READING])
        return model
