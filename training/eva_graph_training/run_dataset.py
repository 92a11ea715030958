"""A run as a Hugging Face `Dataset`: one row a record, for looking through and for exports of
one's own. Rows are read from the run one at a time and cached by `datasets` on disk; a run that has
grown or was amended since is read anew. Frames stay references into `RunStore.frames`.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from datasets import Dataset, Features, List, Value

from eva_graph.trajectory import RecordFilter, RunStore
from eva_graph.trajectory.shards import shard_files

RUN_FEATURES = Features(
    {
        "trajectory_id": Value("string"),
        "question_id": Value("string"),
        "video_id": Value("string"),
        "question": Value("string"),
        "answer": Value("string"),
        "expected": Value("string"),
        "correct": Value("bool"),
        "stop_reason": Value("string"),
        "turns": Value("int32"),
        "frames": Value("int32"),
        "labels": List(Value("string")),
        "desirable": Value("bool"),
        "record": Value("large_string"),
    }
)
"""`record` is the whole record as its JSON line, which `Trajectory.from_line` reads (the `Json`
feature would round its floats); the other columns are there to filter by."""


def run_dataset(run: str | Path, where: RecordFilter | None = None) -> Dataset:
    """The records of a run that match.

    Raises:
        TrajectoryError: nothing was recorded there, or a record cannot be read.
    """
    store = RunStore(run)
    store.check_exists()
    # `datasets` names its cache by these arguments, and takes lists among them for shards.
    state = tuple((str(path), path.stat().st_size) for path in shard_files(store.run))
    return Dataset.from_generator(
        _rows,
        features=RUN_FEATURES,
        gen_kwargs={"run": str(run), "where": where or RecordFilter(), "state": state},
    )


def _rows(run: str, where: RecordFilter, state: tuple[Any, ...]) -> Iterator[dict[str, Any]]:
    for record in RunStore(run).records(where):
        yield {
            "trajectory_id": record.trajectory_id,
            "question_id": record.question_id,
            "video_id": record.video.video_id,
            "question": record.question,
            "answer": record.answer,
            "expected": record.expected,
            "correct": record.correct,
            "stop_reason": record.stop_reason,
            "turns": len(record.turns),
            "frames": record.usage.frames,
            "labels": record.labels,
            "desirable": record.desirable,
            "record": record.to_line(),
        }
