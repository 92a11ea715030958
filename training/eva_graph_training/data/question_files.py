"""Questions as JSON lines in the `custom` layout, which evaluation, GRPO and data builds read."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from eva_graph.evaluation.questions import EvalQuestion
from eva_graph_training.data.tasks import Task
from eva_graph_training.data.workplace import write_whole


def write_questions(path: Path, tasks: Iterable[Task]) -> None:
    """Write the file whole, videos by their absolute paths.

    Raises:
        DataError: it cannot be written.
    """
    write_whole(path, "".join(json.dumps(to_row(task.question)) + "\n" for task in tasks))


def to_row(question: EvalQuestion) -> dict[str, Any]:
    """A question in the `custom` layout, without the fields that it lacks."""
    values = {
        "question_id": question.question_id,
        "video": str(Path(question.video).absolute()),
        "question": question.question,
        "options": question.options,
        "answer": question.answer,
        "time_reference": [list(stretch) for stretch in question.time_reference],
        "subtitles": question.subtitles,
        "question_type": question.question_type,
    }
    return {name: value for name, value in values.items() if value}
