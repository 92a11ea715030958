"""From questions to what is played: usable ones about videos that train, in an order of the seed.

The side of a video is that of `eva-graph export --split` with the same seed, so a video that is
held out here is held out everywhere. Whatever is not played is counted by its reason.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from eva_graph.evaluation.questions import EvalQuestion
from eva_graph.videos import OpenVideos
from eva_graph_tools import ToolError
from eva_graph_training.export.selection import Split

MAX_ANSWER_WORDS = 40
"""Of an open answer; longer ones are descriptions, which no reward of ours measures well."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """A question to play, and the content hash of its video."""

    question: EvalQuestion
    video_id: str

    @property
    def key(self) -> str:
        """Names the question in records and ledgers."""
        return self.question.question_id


@dataclass(slots=True, kw_only=True)
class TaskSet:
    """What was made of the questions.

    Attributes:
        tasks: to be played, in the order of the seed.
        held_out: usable, on videos that are kept from every stage.
        left_out: how many questions are neither, by reason.
        questions: how many there were.
    """

    tasks: list[Task] = field(default_factory=list)
    held_out: list[Task] = field(default_factory=list)
    left_out: Counter[str] = field(default_factory=Counter)
    questions: int = 0


def choose_tasks(
    questions: Iterable[EvalQuestion],
    *,
    split: Split,
    videos: OpenVideos,
    advance: Callable[[], None] = lambda: None,
) -> TaskSet:
    """Open every video once, and share the questions out.

    Args:
        split: which videos train; its seed orders the tasks.
        videos: how they are opened.
        advance: called for every question.
    """
    chosen = TaskSet()
    ids: dict[str, str | None] = {}
    for question in questions:
        chosen.questions += 1
        advance()
        reason = unusable(question)
        if reason is None and question.video not in ids:
            ids[question.video] = video_id_of(question.video, videos)
        video_id = None if reason else ids[question.video]
        if video_id is None:
            chosen.left_out[reason or "the video cannot be read"] += 1
            continue
        side = chosen.tasks if split.side(video_id) == "train" else chosen.held_out
        side.append(Task(question=question, video_id=video_id))
    chosen.tasks.sort(key=lambda task: drawn(split.seed, task.key))
    return chosen


def unusable(question: EvalQuestion) -> str | None:
    """Why a question cannot be played and scored, or None."""
    if question.missing:
        return "no file of the video"
    if question.problem is not None:
        return question.problem
    if not question.options and len((question.answer or "").split()) > MAX_ANSWER_WORDS:
        return f"an open answer of more than {MAX_ANSWER_WORDS} words"
    return None


def video_id_of(path: str, videos: OpenVideos) -> str | None:
    """The content hash of a video; None where the file cannot be read."""
    try:
        with videos.use(path) as video:
            return video.video_id
    except ToolError:
        return None


def drawn(seed: int, name: str) -> bytes:
    """A sort key that puts names into a random order, the same one for the same seed."""
    return hashlib.sha256(f"{seed}|{name}".encode("utf-8", "surrogatepass")).digest()
