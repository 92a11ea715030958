"""From nothing to the base of nano, in one working folder; every stage goes on where it stopped.

pictures/            rendered single pictures, by view
sight.pt             stage 1, the vision tower
talk/                the solver's conversations on a few videos, for their words alone
start/               the tokenizer
language.pt          stage 2, the language model on lessons
base/                the model folder
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from string import ascii_uppercase
from typing import Final

import numpy as np
import torch
from transformers import PreTrainedTokenizerFast, Qwen2_5_VLForConditionalGeneration

from eva_graph.graph import build_graph
from eva_graph.policy.processor import chat_template
from eva_graph.state import AgentInput, Context
from eva_graph.trajectory import RunStore
from eva_graph_tools import Video
from eva_graph_training.base.features import FeaturePool, level_features
from eva_graph_training.base.language import LanguagePlan, LanguageTraining
from eva_graph_training.base.sight import SightPlan, SightTraining
from eva_graph_training.base.tokens import learn_tokenizer
from eva_graph_training.base.views import VIEWS, Pictures, ViewName, kept
from eva_graph_training.nano.folder import new_model, save_folder
from eva_graph_training.world.files import video_file
from eva_graph_training.world.solver_policy import TOOLS, SolverPolicy
from eva_graph_training.world.splits import SPLITS, Episode, episodes

COUNTS: Final[dict[ViewName, int]] = {
    "overview": 5000, "reading": 12000, "close": 3000, "sign": 8000, "print": 20000,
}  # fmt: skip
HELD_OUT: Final[dict[ViewName, int]] = {
    "overview": 256, "reading": 256, "close": 64, "sign": 256, "print": 256,
}  # fmt: skip
LOG_EVERY: Final = 100
TALKING_VIDEOS: Final = 16
_HELD_OUT_LESSONS: Final = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class BaseMaking:
    """The stages over one working folder.

    Attributes:
        work: the folder.
        sight_plan, language_plan: how long, and how fast.
    """

    work: Path
    sight_plan: SightPlan = field(default_factory=SightPlan)
    language_plan: LanguagePlan = field(default_factory=LanguagePlan)

    def run(self) -> Path:
        """All stages; the model folder."""
        self.sight()
        self.language()
        return self.export()

    def sight(self) -> None:
        """Stage 1: render pictures and train the vision tower on them."""
        self.work.mkdir(parents=True, exist_ok=True)
        training = SightTraining(self.sight_plan, self.work / "sight.pt")
        training.run(self._pictures(), self._pictures(held_out=True), LOG_EVERY)

    def language(self) -> None:
        """Stage 2: train the language model on lessons around the finished tower."""
        training = self._language()
        rng = np.random.default_rng(987_654)
        training.run(training.lessons(rng, _HELD_OUT_LESSONS), LOG_EVERY)

    def export(self) -> Path:
        """The model folder, with 16-bit weights."""
        tokenizer = self._tokenizer()
        model = self._start(tokenizer)
        state = torch.load(self.work / "language.pt")
        model.model.language_model.load_state_dict(state["language"])
        folder = self.work / "base"
        save_folder(model, tokenizer, folder, torch.bfloat16, tools=TOOLS)
        return folder

    def _language(self) -> LanguageTraining:
        tokenizer = self._tokenizer()
        model = self._start(tokenizer)
        pool = FeaturePool(model.model.visual, self._pictures())
        checkpoint = self.work / "language.pt"
        return LanguageTraining(self.language_plan, model, tokenizer, pool, checkpoint)

    def _pictures(self, *, held_out: bool = False) -> dict[ViewName, Pictures]:
        name, counts, seed = ("held-out", HELD_OUT, 2) if held_out else ("train", COUNTS, 1)
        return {
            view: kept(self.work / f"pictures/{name}-{view}.pt", view, counts[view], seed=seed)
            for view in VIEWS
        }

    def _tokenizer(self) -> PreTrainedTokenizerFast:
        folder = self.work / "start"
        if not folder.is_dir():
            texts = list(talk(self.work / "talk", TALKING_VIDEOS))
            learn_tokenizer(texts, chat_template()).save_pretrained(folder)
        tokenizer: PreTrainedTokenizerFast = PreTrainedTokenizerFast.from_pretrained(folder)
        return tokenizer

    def _start(self, tokenizer: PreTrainedTokenizerFast) -> Qwen2_5_VLForConditionalGeneration:
        """An untrained language model around the tower of stage 1."""
        model = new_model(tokenizer, seed=0)
        tower = model.model.visual
        tower.load_state_dict(torch.load(self.work / "sight.pt")["tower"])
        level_features(tower, self._pictures(held_out=True)["reading"].pixels)
        return model


def talk(folder: Path, videos: int) -> Iterator[str]:
    """Every message text of the solver's conversations on a few short videos of `train`."""
    long = len(SPLITS["train"].long_seconds)
    for episode in islice(episodes("train", long + videos), long, None):
        _converse(episode, folder)
    for record in RunStore(folder / "run").records():
        for message in record.messages:
            content = message["content"]
            yield content if isinstance(content, str) else _text(content)


def _converse(episode: Episode, folder: Path) -> None:
    path = video_file(episode, folder / "videos")
    with Video.open(path) as video:
        graph = build_graph(SolverPolicy({video.video_id: episode.plot}), tools=TOOLS)
    for question in episode.questions:
        asked: AgentInput = {"video": str(path), "question": question.text}
        if question.options:
            asked["options"] = dict(zip(ascii_uppercase, question.options, strict=False))
        graph.invoke(asked, context=Context(record=str(folder / "run")))


def _text(content: list[dict[str, str]]) -> str:
    return "".join(part["text"] for part in content if part["type"] == "text")
