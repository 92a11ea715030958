"""The unit of an evaluation's work: one video with its questions, and which questions there are.

A unit is a plain value that can be sent to another process; `eva_graph.evaluation.asking` asks it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass

from eva_graph.errors import InvalidRequest
from eva_graph.evaluation.questions import EvalQuestion


@dataclass(frozen=True, slots=True, kw_only=True)
class VideoQuestions:
    """One video and what is asked about it.

    Attributes:
        video: path of the file.
        subtitles: path of the subtitle file, where there is one.
        questions: in the order of the annotations; at least one.
    """

    video: str
    subtitles: str | None
    questions: tuple[EvalQuestion, ...]


def by_video(
    questions: Iterable[EvalQuestion], *, done: Collection[str] = ()
) -> list[VideoQuestions]:
    """The units of the questions that can be asked, in the order of their first questions.

    Args:
        questions: those without a file are left out.
        done: ids of questions that are left out, too.
    """
    grouped: dict[tuple[str, str | None], list[EvalQuestion]] = {}
    for question in questions:
        if not question.missing and question.question_id not in done:
            grouped.setdefault((question.video, question.subtitles), []).append(question)
    return [
        VideoQuestions(video=video, subtitles=subtitles, questions=tuple(asked))
        for (video, subtitles), asked in grouped.items()
    ]


def sampled(
    questions: Sequence[EvalQuestion], limit: int | None, *, seed: int = 0
) -> list[EvalQuestion]:
    """A sample of the questions in their order; all of them without a limit.

    It depends on the ids and the seed alone, not on the files at hand or their order, and a
    smaller sample of a seed is a part of every larger one.

    Raises:
        InvalidRequest: a limit below 1.
    """
    if limit is None:
        return list(questions)
    if limit < 1:
        raise InvalidRequest(f"--limit must be at least 1, not {limit}")
    drawn = sorted(questions, key=lambda question: _lot(seed, question.question_id))[:limit]
    chosen = {question.question_id for question in drawn}
    return [question for question in questions if question.question_id in chosen]


def _lot(seed: int, question_id: str) -> bytes:
    return hashlib.sha256(f"{seed}:{question_id}".encode("utf-8", "surrogatepass")).digest()
