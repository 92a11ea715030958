"""Synthetic videos and their questions as files, in the layout that every build reads."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from eva_graph_training.data.workplace import write_whole
from eva_graph_training.world.sets import WorldSetPlan, WorldTask, video_file, world_set

QUESTIONS = "questions.jsonl"
VIDEOS = "videos"


def write_world(
    plan: WorldSetPlan, out: Path, *, advance: Callable[[], None] = lambda: None
) -> int:
    """Render what is missing and write the questions; how many there are.

    Args:
        plan: which videos.
        out: folder for `questions.jsonl` and `videos/`.
        advance: called for every video.

    Raises:
        DataError: the questions cannot be written.
    """
    rows: list[dict[str, Any]] = []
    for task in world_set(plan):
        video_file(task, out / VIDEOS)
        rows += _rows(task)
        advance()
    write_whole(out / QUESTIONS, "".join(json.dumps(row) + "\n" for row in rows))
    return len(rows)


def _rows(task: WorldTask) -> list[dict[str, Any]]:
    """Open questions: the answer is one of twelve letters."""
    return [
        {
            "question_id": f"{task.world.seed}-{number}",
            "video": task.file_name,
            "question": question.text,
            "answer": question.answer,
            "question_type": question.kind,
        }
        for number, question in enumerate(task.questions)
    ]
