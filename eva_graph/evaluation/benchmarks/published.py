"""The layouts in which the six sets themselves are published, a row or a video at a time.

| set | source of the layout |
| --- | --- |
| VideoMME | parquet of lmms-lab/Video-MME (a question a row); its result template (a video a row) |
| LongVideoBench | lvb_val.json (`candidates`); its parquet (`option0` … `option4`) |
| MLVU | MLVU/json/*.json; the parquet copies (`video_name`, `task_type`) |
| LSDBench | mc_qa_annotations_1300.json |
| Video-Holmes | test_Video-Holmes.json |
| LVBench | video_info.meta.jsonl (a video a row); its parquet (a question a row) |
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from string import ascii_uppercase
from typing import Any, Final

from eva_graph.evaluation.benchmarks.annotation import (
    Annotation,
    lettered,
    needed,
    text_field,
    types_of,
)
from eva_graph.evaluation.benchmarks.annotation_files import Row

_LONGVIDEOBENCH_GROUPS: Final = {
    "15": "8-15 s",
    "60": "15-60 s",
    "600": "3-10 min",
    "3600": "15-60 min",
}


def videomme(row: Row) -> Iterator[Annotation]:
    """VideoMME: `duration` is short, medium or long."""
    for one in _asked_of(row, "questions"):
        options = one.values.get("options", one.values.get("choices"))
        yield Annotation(
            row=one,
            question_id=text_field(one, "question_id"),
            video=needed(one, "videoID", "video_id"),
            text=needed(one, "question"),
            options=lettered(one, options),
            answer=text_field(one, "answer"),
            duration_bucket=text_field(one, "duration"),
            question_types=types_of(one.values.get("task_type")),
        )


def longvideobench(row: Row) -> Iterator[Annotation]:
    """LongVideoBench: the answer is a place in the candidates; the test split has none."""
    candidates = row.values.get("candidates")
    if candidates is None:
        columns = [row.values.get(f"option{number}") for number in range(5)]
        candidates = [text for text in columns if text not in (None, "N/A")]
    options = lettered(row, candidates)
    group = text_field(row, "duration_group")
    yield Annotation(
        row=row,
        question_id=text_field(row, "id"),
        video=needed(row, "video_path", "video_id"),
        text=needed(row, "question"),
        options=options,
        answer=_letter_at(row.values.get("correct_choice"), options),
        subtitles=text_field(row, "subtitle_path"),
        duration_bucket=_LONGVIDEOBENCH_GROUPS.get(group, group) if group else None,
        question_types=types_of(row.values.get("question_category")),
    )


def mlvu(row: Row) -> Iterator[Annotation]:
    """MLVU: the answer is an option's text or letter; generation tasks have no candidates.

    Some copies keep the options in the question and have numbers or nothing for candidates.
    """
    number = text_field(row, "question_id")
    candidates = row.values.get("candidates")
    apart = isinstance(candidates, list) and len(candidates) > 0
    yield Annotation(
        row=row,
        question_id=number or f"{row.file.stem}-{row.index}",
        video=needed(row, "video", "video_name"),
        text=needed(row, "question"),
        options=lettered(row, candidates) if apart else None,
        answer=text_field(row, "answer"),
        question_types=types_of(row.values.get("question_type", row.values.get("task_type"))),
    )


def lsdbench(row: Row) -> Iterator[Annotation]:
    """LSDBench: `time_range` is the stretch that was asked about."""
    yield Annotation(
        row=row,
        video=needed(row, "video_id"),
        text=needed(row, "question"),
        options=lettered(row, row.values.get("options")),
        answer=text_field(row, "correct_answer", "answer"),
        stretches=row.values.get("time_range"),
    )


def videoholmes(row: Row) -> Iterator[Annotation]:
    """Video-Holmes: field names with spaces, question numbers over all videos."""
    yield Annotation(
        row=row,
        question_id=text_field(row, "Question ID"),
        video=needed(row, "video ID", "video_id"),
        text=needed(row, "Question"),
        options=lettered(row, row.values.get("Options")),
        answer=text_field(row, "Answer"),
        question_types=types_of(row.values.get("Question Type")),
    )


def lvbench(row: Row) -> Iterator[Annotation]:
    """LVBench: options stand in the question; ids are made like the released harness's."""
    for one in _asked_of(row, "qa"):
        video = needed(one, "key", "video_path")
        options = one.values.get("options")
        yield Annotation(
            row=one,
            question_id=f"{video}_{needed(one, 'uid')}",
            video=video,
            text=needed(one, "question"),
            options=lettered(one, options) if options else None,
            answer=text_field(one, "answer"),
            stretches=one.values.get("time_reference"),
            question_types=types_of(one.values.get("question_type")),
        )


PUBLISHED: Final[dict[str, Callable[[Row], Iterator[Annotation]]]] = {
    "videomme": videomme,
    "longvideobench": longvideobench,
    "mlvu": mlvu,
    "lsdbench": lsdbench,
    "videoholmes": videoholmes,
    "lvbench": lvbench,
}


def _asked_of(row: Row, name: str) -> Iterator[Row]:
    """The row itself, or each question of a video's row with the video's fields beside it."""
    questions = row.values.get(name)
    if questions is None:
        yield row
        return
    if not isinstance(questions, list) or not all(isinstance(one, Mapping) for one in questions):
        raise row.fault(f"`{name}` must be a list of questions")
    for one in questions:
        yield replace(row, values={**row.values, **one})


def _letter_at(place: Any, options: Mapping[str, str]) -> str | None:
    if isinstance(place, str) and place.isdigit():
        place = int(place)
    if isinstance(place, int) and 0 <= place < len(options):
        return ascii_uppercase[place]
    return place if isinstance(place, str) else None
