"""The questions that GRPO plays, out of whatever holds them.

| path | what is taken |
| --- | --- |
| a run directory | every question once of whose answer the records tell (`expected`) |
| a folder of `eva-graph export --to trl-grpo`, or its `train.parquet` | every row |
| JSON lines `{video, question, options?, answer, time_reference?}` | every row |

Nothing is dropped here without a word: what cannot be played says why.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from eva_graph.dialects import Question
from eva_graph.evaluation import load_questions
from eva_graph.evaluation.questions import EvalQuestion
from eva_graph.evaluation.stretches import Stretch
from eva_graph.trajectory import RunStore, Trajectory
from eva_graph_training.errors import DataError
from eva_graph_training.parquet import read_parquet

EXPORTED = "train.parquet"
NO_ANSWER = "no answer is given"
NO_VIDEO = "no file of the video"
_COLUMNS = frozenset({"video", "video_id", "question", "options", "answer"})
_LINES = (".jsonl", ".json")


@dataclass(frozen=True, slots=True, kw_only=True)
class GrpoQuestion:
    """One question to play.

    Attributes:
        video: path of the file.
        question: text and, for multiple choice, options by letter.
        answer: the right one; the letter where there are options.
        question_id: its name in its set; "" where it has none.
        video_id: what the file must hold; None where nobody said.
        time_reference: (start, end) in seconds of what shows the answer.
        subtitles: path of the subtitle file.
        problem: why it cannot be played; None: it can.
    """

    video: str
    question: Question
    answer: str | None
    question_id: str = ""
    video_id: str | None = None
    time_reference: tuple[Stretch, ...] = field(default=())
    subtitles: str | None = None
    problem: str | None = None

    def name(self, video_id: str) -> str:
        """Its name, or one made of video and question."""
        seed = f"{video_id} {self.question.prompt}".encode("utf-8", "surrogatepass")
        return self.question_id or hashlib.sha256(seed).hexdigest()[:16]


def read_questions(path: Path) -> Iterator[GrpoQuestion]:
    """The questions of a run directory, an export or a file of JSON lines.

    Raises:
        DataError: the path holds none of these.
        TrajectoryError: a record cannot be read.
        InvalidRequest: a line asks nothing.
    """
    exported = path / EXPORTED if path.is_dir() else path
    if exported.suffix == ".parquet" and exported.is_file():
        return _exported(exported)
    if path.is_dir():
        return _recorded(path)
    if path.suffix in _LINES and path.is_file():
        return _listed(path)
    raise DataError(
        f"{path}: GRPO reads run directories, folders of `eva-graph export --to trl-grpo`, and "
        "JSON lines of {video, question, options?, answer}"
    )


def _recorded(run: Path) -> Iterator[GrpoQuestion]:
    """Each question of a run once, whatever its episodes came to."""
    found: dict[tuple[str, str], GrpoQuestion] = {}
    for record in RunStore(run).records():
        question = Question(text=record.question, options=record.options)
        key = (record.video.video_id, question.prompt)
        if key not in found or found[key].answer is None:
            found[key] = _of_record(record, question)
    yield from found.values()


def _of_record(record: Trajectory, question: Question) -> GrpoQuestion:
    return GrpoQuestion(
        video=record.video.path,
        question=question,
        answer=record.expected,
        question_id=record.question_id or "",
        video_id=record.video.video_id,
        time_reference=tuple((start, end) for start, end in record.time_reference),
        subtitles=record.video.subtitles,
        problem=NO_ANSWER if record.expected is None else None,
    )


def _exported(file: Path) -> Iterator[GrpoQuestion]:
    rows = read_parquet(file)
    missing = _COLUMNS - set(rows.column_names)
    if missing:
        raise DataError(
            f"{file} has no column {sorted(missing)[0]}: `eva-graph export --to trl-grpo` writes it"
        )
    return (_of_row(row) for row in rows)


def _of_row(row: Mapping[str, Any]) -> GrpoQuestion:
    return GrpoQuestion(
        video=row["video"],
        question=Question(text=row["question"], options=row["options"] or {}),
        answer=row["answer"],
        question_id=row.get("question_id") or "",
        video_id=row["video_id"],
        time_reference=tuple((start, end) for start, end in row.get("time_reference") or ()),
        problem=NO_ANSWER if row["answer"] is None else None,
    )


def _listed(file: Path) -> Iterator[GrpoQuestion]:
    """Videos lie below the file's own folder, or where an absolute path says."""
    return (_of_listed(one) for one in load_questions("custom", file, file.parent))


def _of_listed(one: EvalQuestion) -> GrpoQuestion:
    elsewhere = Path(one.video).is_absolute() and Path(one.video).is_file()
    return GrpoQuestion(
        video=one.video,
        question=Question(text=one.question, options=one.options),
        answer=one.answer,
        question_id=one.question_id,
        time_reference=one.time_reference,
        subtitles=one.subtitles,
        problem=NO_VIDEO if one.missing and not elsewhere else one.problem,
    )
