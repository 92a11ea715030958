"""Where questions come from: JSON lines of one's own, LLaVA-Video, CG-Bench.

| layout | a row |
| --- | --- |
| `custom` | `{video, question, options?, answer, time_reference?}` |
| `llava-video` | LLaVA-Video-178K: `id`, `data_source`, `video`, `conversations` of human and gpt |
| `cg-bench` | cgbench.json: `qid`, `video_uid`, `question`, `choices`, `right_answer`, … |

Everything becomes an `EvalQuestion`; what is wrong with a row stands in it and is counted later.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

from eva_graph.errors import InvalidRequest
from eva_graph.evaluation.benchmarks.annotation import (
    Annotation,
    lettered,
    needed,
    text_field,
    types_of,
)
from eva_graph.evaluation.benchmarks.annotation_files import Row
from eva_graph.evaluation.benchmarks.custom import custom
from eva_graph.evaluation.benchmarks.loading import Layout, read_questions
from eva_graph.evaluation.questions import EvalQuestion

_MEDIA = re.compile(r"<(?:image|video)>")
_CHOICE_TAILS: Final = (
    "Please respond with only the letter of the correct answer.",
    "Please provide your answer by stating the letter followed by the full option.",
)
"""The two ways in which LLaVA-Video ends a multiple-choice question."""
_SHORT_TAILS: Final = (
    "Answer the question using a single word or phrase.",
    "Answer the question using a short phrase.",
)
_LETTER = re.compile(r"\(?([A-Z])\)?(?:[.:)]\s*.*|\s*)", re.DOTALL)


def read_source(layout: str, annotations: Path, videos: Path | None = None) -> list[EvalQuestion]:
    """The questions of a file, or of all annotation files in a folder.

    Args:
        layout: one of `LAYOUTS`.
        annotations: the file or folder.
        videos: the folder below which the videos lie, at any depth; what lies elsewhere is
            missing. None: the folder of `annotations`, and absolute paths as they stand, for files
            that one wrote oneself.

    Raises:
        InvalidRequest: no such file or folder, or a row that asks nothing.
        MissingExtra: a parquet file, and pyarrow is not installed.
    """
    folder = annotations.parent if videos is None else videos
    questions = read_questions(layout, LAYOUTS[layout], annotations, folder)
    return questions if videos else [_found_anywhere(one) for one in questions]


def _found_anywhere(one: EvalQuestion) -> EvalQuestion:
    path = Path(one.video)
    found = one.missing and path.is_absolute() and path.is_file()
    return replace(one, missing=False) if found else one


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """A file of questions, how it is laid out, and the folder with its videos (`read_source`)."""

    layout: str
    annotations: Path
    videos: Path | None = None

    def __str__(self) -> str:
        return f"{self.annotations.name} ({self.layout})"


def read_sources(sources: Sequence[Source]) -> list[EvalQuestion]:
    """The questions of all sources; of several, each id begins with its file's name.

    Raises:
        InvalidRequest: as `read_source`, or two sources give the same id.
        MissingExtra: a parquet file, and pyarrow is not installed.
    """
    read = []
    for source in sources:
        questions = read_source(source.layout, source.annotations, source.videos)
        stem = f"{source.annotations.stem}/" if len(sources) > 1 else ""
        read += [replace(one, question_id=stem + one.question_id) for one in questions]
    twice = [name for name, times in Counter(one.question_id for one in read).items() if times > 1]
    if twice:
        raise InvalidRequest(f"two sources hold a question {twice[0]!r}: rename one of the files")
    return read


def own(row: Row) -> Iterator[Annotation]:
    """A row of one's own; unknown fields are an error."""
    yield custom(row)


def llava_video(row: Row) -> Iterator[Annotation]:
    """LLaVA-Video: a question for each pair of turns, options out of the human's text."""
    turns = row.values.get("conversations")
    if not isinstance(turns, list) or not turns:
        raise row.fault("`conversations` must be a list of turns")
    said = [(_role(row, turn), _text(row, turn)) for turn in turns]
    name = text_field(row, "id") or str(row.index)
    pairs = list(zip(said[::2], said[1::2], strict=False))
    if len(said) % 2 or any((ask, reply) != ("human", "gpt") for (ask, _), (reply, _) in pairs):
        raise row.fault("`conversations` must be turns of human and gpt, one after the other")
    for number, ((_, asked), (_, answer)) in enumerate(pairs):
        question, is_choice = _llava_question(asked)
        yield Annotation(
            row=row,
            question_id=name if len(pairs) == 1 else f"{name}-{number}",
            video=needed(row, "video"),
            text=question,
            options=None if is_choice else {},
            answer=_llava_letter(answer) if is_choice else answer,
            question_types=types_of(row.values.get("data_source")),
        )


def cg_bench(row: Row) -> Iterator[Annotation]:
    """CG-Bench: the clue intervals are the time reference."""
    choices = row.values.get("choices")
    yield Annotation(
        row=row,
        question_id=text_field(row, "qid"),
        video=needed(row, "video_uid"),
        text=needed(row, "question"),
        options=lettered(row, choices) if choices else {},
        answer=text_field(row, "right_answer", "answer"),
        stretches=row.values.get("clue_intervals"),
        question_types=(*types_of(row.values.get("domain")),
                        *types_of(row.values.get("sub_category"))),
    )  # fmt: skip


LAYOUTS: Mapping[str, Layout] = MappingProxyType(
    {"custom": own, "llava-video": llava_video, "cg-bench": cg_bench}
)
"""By the name that `--layout` takes."""


def _role(row: Row, turn: Any) -> str:
    role = turn.get("from") if isinstance(turn, dict) else None
    if not isinstance(role, str):
        raise row.fault("a turn of `conversations` has no `from`")
    return role


def _text(row: Row, turn: dict[str, Any]) -> str:
    text = turn.get("value")
    if not isinstance(text, str) or not text.strip():
        raise row.fault("a turn of `conversations` has no `value`")
    if any("\ud800" <= letter <= "\udfff" for letter in text):
        raise row.fault("a turn of `conversations` is not valid Unicode text")
    return text.strip()


def _llava_question(asked: str) -> tuple[str, bool]:
    """The human's text without media marks and instruction, and whether it offers options."""
    text = _MEDIA.sub("", asked).strip()
    for tail in _CHOICE_TAILS:
        if text.endswith(tail):
            return text.removesuffix(tail).strip(), True
    for tail in _SHORT_TAILS:
        text = text.removesuffix(tail).strip()
    return text, False


def _llava_letter(answer: str) -> str:
    """`A`, `A.` and `A. Black.` as the letter alone; anything else as it is."""
    found = _LETTER.fullmatch(answer)
    return found.group(1) if found else answer
