"""The one layout in which the released harness keeps all its benchmarks: JSON lines.

`videos` (one), `prompt` (chat messages, of which the first of the user is asked, options in its
text), `reward_model.ground_truth`, `index`, and fields of the set beside them.
Source: data/*.jsonl of the released harness at 758ad8d.
"""

from __future__ import annotations

from collections.abc import Mapping

from eva_graph.evaluation.benchmarks.annotation import Annotation, text_field, types_of
from eva_graph.evaluation.benchmarks.annotation_files import Row


def is_unified(row: Row) -> bool:
    """Whether a row is in this layout."""
    return "prompt" in row.values and "reward_model" in row.values


def read_unified(row: Row) -> Annotation:
    """Raises `InvalidRequest` for a row that names no video or asks nothing."""
    prompt = _asked(row)
    reward = row.values["reward_model"]
    truth = reward.get("ground_truth") if isinstance(reward, Mapping) else None
    return Annotation(
        row=row,
        question_id=text_field(row, "id", "index"),
        video=_video(row),
        text=prompt,
        options=None,
        answer=None if truth is None else str(truth),
        stretches=row.values.get("time_reference"),
        duration_bucket=text_field(row, "duration_bucket"),
        question_types=types_of(row.values.get("question_type", row.values.get("Question_Type"))),
        prompt=prompt,
    )


def _video(row: Row) -> str:
    videos = row.values.get("videos")
    if not isinstance(videos, list) or not videos or not isinstance(videos[0], str):
        raise row.fault("`videos` names no video")
    return videos[0]


def _asked(row: Row) -> str:
    messages = row.values["prompt"]
    for message in messages if isinstance(messages, list) else []:
        if isinstance(message, Mapping) and message.get("role") == "user":
            content = message.get("content")
            if isinstance(content, str) and content.strip():
                return content.strip()
    raise row.fault("`prompt` has no text of a user")
