"""People's own questions: `video` and `question`, and whatever else of a question they know.

`options` (texts by letter, or a list), `answer`, `question_id`, `time_reference`, `subtitles`,
`duration_bucket`, `question_type`. Fields with other names are an error: a typing mistake would
change what is asked, or how it is scored.
"""

from __future__ import annotations

from typing import Final

from eva_graph.evaluation.benchmarks.annotation import (
    Annotation,
    lettered,
    needed,
    text_field,
    types_of,
)
from eva_graph.evaluation.benchmarks.annotation_files import Row

_FIELDS: Final = (
    "video", "question", "options", "answer", "question_id", "time_reference", "subtitles",
    "duration_bucket", "question_type",
)  # fmt: skip


def custom(row: Row) -> Annotation:
    """Raises `InvalidRequest` for a row without video or question, or with an unknown field."""
    unknown = sorted(set(row.values) - set(_FIELDS))
    if unknown:
        raise row.fault(f"unknown field `{unknown[0]}`, one of {', '.join(_FIELDS)} is expected")
    options = row.values.get("options")
    return Annotation(
        row=row,
        question_id=text_field(row, "question_id"),
        video=needed(row, "video"),
        text=needed(row, "question"),
        options=lettered(row, options) if options else {},
        answer=text_field(row, "answer"),
        stretches=row.values.get("time_reference"),
        subtitles=text_field(row, "subtitles"),
        duration_bucket=text_field(row, "duration_bucket"),
        question_types=types_of(row.values.get("question_type")),
    )
