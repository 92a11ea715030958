"""Rows for GRPO: a question with the prompt that the graph would open its episode with.

Every video is opened once; what cannot be played is counted by its reason and left out.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from datasets import Features, Json, List, Value
from datasets.arrow_writer import ArrowWriter
from rich.progress import Progress

from eva_graph.dialects import Dialect
from eva_graph.policy.processor import ImageOnlyProcessor, visual_grid
from eva_graph.videos import OpenVideos
from eva_graph_tools import ToolError, Video
from eva_graph_training.env import opening_of
from eva_graph_training.errors import DataError
from eva_graph_training.recipe import EpisodeSettings
from eva_graph_training.stages.grpo_questions import NO_VIDEO, GrpoQuestion, read_questions
from eva_graph_training.stages.rows import RowCounts

GRPO_FEATURES = Features(
    {
        "prompt": List(Json()),
        "video": Value("string"),
        "video_id": Value("string"),
        "question_id": Value("string"),
        "question": Value("string"),
        "options": Json(),
        "answer": Value("string"),
        "time_reference": List(List(Value("float64"))),
        "subtitles": Value("string"),
    }
)
"""The columns that `VideoEnvironment.reset` reads, and the prompt."""
_REASONS_SHOWN = 3


class Unplayable(Exception):
    """A question gives no row; the message is the reason that is counted."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RowMaker:
    """Makes rows for one policy and one kind of episode.

    Attributes:
        processor: of the policy; counts tokens, and its patches are the cost rule.
        videos: how files are opened.
        dialect: how turns are written.
        episode: tools and look budget.
        context_tokens: a prompt must be shorter.
    """

    processor: ImageOnlyProcessor
    videos: OpenVideos
    dialect: Dialect
    episode: EpisodeSettings
    context_tokens: int

    def row(self, asked: GrpoQuestion) -> dict[str, Any]:
        """The row of a question.

        Raises:
            Unplayable: it has none; the message says why.
            InvalidRequest: the episode's tools do not exist.
        """
        if asked.problem is not None:
            raise Unplayable(asked.problem)
        if not Path(asked.video).is_file():
            raise Unplayable(NO_VIDEO)
        try:
            with self.videos.use(asked.video, asked.subtitles) as video:
                return self._row(asked, video)
        except ToolError:
            raise Unplayable("the video or its subtitles cannot be opened") from None

    def _row(self, asked: GrpoQuestion, video: Video) -> dict[str, Any]:
        if asked.video_id not in (None, video.video_id):
            raise Unplayable("another video lies under its path")
        prompt = opening_of(
            video,
            asked.question,
            grid=visual_grid(self.processor),
            look_budget=self.episode.look_budget,
            dialect=self.dialect,
            tools=self.episode.tools,
        )
        if self._tokens(prompt) >= self.context_tokens:
            raise Unplayable(f"its question alone fills the {self.context_tokens} tokens there are")
        return {
            "prompt": prompt,
            "video": str(Path(asked.video).absolute()),
            "video_id": video.video_id,
            "question_id": asked.name(video.video_id),
            "question": asked.question.text,
            "options": dict(asked.question.options),
            "answer": asked.answer,
            "time_reference": [list(stretch) for stretch in asked.time_reference],
            "subtitles": asked.subtitles,
        }

    def _tokens(self, prompt: list[dict[str, Any]]) -> int:
        text: str = self.processor.tokenizer.apply_chat_template(
            prompt, tokenize=False, add_generation_prompt=True
        )
        return len(self.processor.tokenizer(text, add_special_tokens=False)["input_ids"])


def write_rows(paths: Sequence[Path], file: Path, maker: RowMaker, progress: Progress) -> RowCounts:
    """Write the rows of all questions as an Arrow file.

    Args:
        paths: what holds questions; see `read_questions`.
        file: to write; replaced.
        maker: makes the rows.
        progress: shows how far it is.

    Raises:
        DataError: no path is named, one holds no questions, or no question can be played.
        EvaGraphError: a path cannot be read.
    """
    if not paths:
        raise DataError("no data: name run directories or questions with --set 'grpo.data=[…]'")
    counts, digest = RowCounts(), hashlib.sha256()
    file.parent.mkdir(parents=True, exist_ok=True)
    questions = [asked for path in paths for asked in read_questions(path)]
    with ArrowWriter(path=str(file), features=GRPO_FEATURES) as writer:
        for asked in progress.track(questions, description="opening videos"):
            try:
                row = maker.row(asked)
            except Unplayable as reason:
                counts.left[str(reason)] += 1
                continue
            writer.write(row)
            digest.update(json.dumps(row, sort_keys=True).encode())
            counts.rows += 1
        if not counts.rows:
            raise DataError(_nothing(paths, counts))
        writer.finalize()
    counts.digest = digest.hexdigest()
    return counts


def _nothing(paths: Sequence[Path], counts: RowCounts) -> str:
    shown = "; ".join(f"{why}: {n}" for why, n in counts.left.most_common(_REASONS_SHOWN))
    where = ", ".join(map(str, paths))
    return f"no question of {where} can be played ({shown or 'there are none'})"
