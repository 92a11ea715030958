"""Turns annotation files into questions: repaired, or as the released harness has them.

Every row becomes a question. What is wrong with one is written into it (`problem`, `missing`,
`repairs`), and `LoadSummary` counts that.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Final, TypeAlias

from eva_graph.errors import InvalidRequest
from eva_graph.evaluation.benchmarks.annotation import Annotation
from eva_graph.evaluation.benchmarks.annotation_files import Row, read_rows
from eva_graph.evaluation.benchmarks.custom import custom
from eva_graph.evaluation.benchmarks.media_files import MediaFiles
from eva_graph.evaluation.benchmarks.option_lines import FORMS, Split, split_options
from eva_graph.evaluation.benchmarks.published import PUBLISHED
from eva_graph.evaluation.benchmarks.time_references import read_stretches
from eva_graph.evaluation.benchmarks.unified import is_unified, read_unified
from eva_graph.evaluation.questions import EvalQuestion, Profile

BENCHMARKS: Final = (*sorted(PUBLISHED), "custom")

ABSOLUTE_PATH: Final = "absolute path of another machine"
LITERAL_BREAKS: Final = "literal backslash-n for line breaks"
INSTRUCTION: Final = "the set's own instruction left out"
EMPTY_OPTION: Final = "option without a text"
ANSWER_FORM: Final = "answer rewritten as its option's letter"
TIME_REFERENCE: Final = "time reference without a usable end left out"
SAME_ID: Final = "question id given twice"
SUBTITLES: Final = "subtitles named but not found, or in a layout that is not read"
NO_TEXT: Final = "(no text)"
"""Stands for the text of an option that has none."""

Layout: TypeAlias = Callable[[Row], Iterable[Annotation]]
"""What a row of a file asks; raises `InvalidRequest` for one that asks nothing."""


def load_questions(
    benchmark: str, annotations: Path, videos: Path, *, profile: Profile = "corrected"
) -> list[EvalQuestion]:
    """The questions of a benchmark, in the order of its files.

    Args:
        benchmark: one of `BENCHMARKS`.
        annotations: the released harness's JSON lines or the set's own file or folder.
        videos: the folder below which the videos lie, at any depth.
        profile: `corrected` repairs the annotations; `reference` keeps the text, the answer and
            existing absolute paths as the released harness has them.

    Raises:
        InvalidRequest: an unknown benchmark, no such file or folder, a row that asks nothing.
        MissingExtra: a parquet file, and pyarrow is not installed.
    """
    if benchmark not in BENCHMARKS:
        raise InvalidRequest(f"no benchmark {benchmark!r}, choose of {', '.join(BENCHMARKS)}")

    def layout(row: Row) -> Iterator[Annotation]:
        return _annotations(benchmark, row)

    return read_questions(benchmark, layout, annotations, videos, profile=profile)


def read_questions(
    benchmark: str,
    layout: Layout,
    annotations: Path,
    videos: Path,
    *,
    profile: Profile = "corrected",
) -> list[EvalQuestion]:
    """Like `load_questions`, for files in any layout, whose set is called `benchmark`.

    Raises:
        InvalidRequest: no such file or folder, or what the layout raises for a row.
        MissingExtra: a parquet file, and pyarrow is not installed.
    """
    rows = read_rows(annotations)
    files = MediaFiles(videos)
    given: Counter[str] = Counter()
    questions = []
    for row in rows:
        for annotation in layout(row):
            name = annotation.question_id or str(row.index)
            given[name] += 1
            question_id = name if given[name] == 1 else f"{name}#{given[name]}"
            questions.append(_question(benchmark, question_id, annotation, files, profile))
    return questions


def _annotations(benchmark: str, row: Row) -> Iterator[Annotation]:
    if is_unified(row):
        yield read_unified(row)
    elif benchmark == "custom":
        yield custom(row)
    else:
        yield from PUBLISHED[benchmark](row)


def _question(
    benchmark: str, question_id: str, one: Annotation, files: MediaFiles, profile: Profile
) -> EvalQuestion:
    repairs = [SAME_ID] * (question_id != (one.question_id or str(one.row.index)))
    split = _split(one, repairs)
    options = {letter: text or NO_TEXT for letter, text in split.options.items()}
    repairs += [EMPTY_OPTION] * (options != split.options)
    answer, problem = _answer(one.answer, options)
    repairs += [ANSWER_FORM] * (answer != one.answer and problem is None)
    stretches, unusable = read_stretches(one.stretches)
    repairs += [TIME_REFERENCE] * unusable
    video = _video(one.video, files, profile, repairs)
    subtitles = files.subtitles(one.video, one.subtitles)
    repairs += [SUBTITLES] * (subtitles is None and one.subtitles is not None)
    verbatim = profile == "reference" and benchmark != "custom"
    return EvalQuestion(
        benchmark=benchmark,
        question_id=question_id,
        video=one.video if video is None else str(video),
        question=_prompt(benchmark, one, split) if verbatim else split.question,
        options=options,
        answer=one.answer if verbatim and one.prompt is not None else answer,
        time_reference=stretches,
        subtitles=None if subtitles is None else str(subtitles),
        duration_bucket=one.duration_bucket,
        question_type=", ".join(one.question_types) or None,
        problem=problem,
        missing=video is None,
        verbatim=verbatim,
        repairs=tuple(_kept(repairs, verbatim)),
    )


def _split(one: Annotation, repairs: list[str]) -> Split:
    """The question without its options, line breaks repaired."""
    repairs += [LITERAL_BREAKS] * ("\\n" in one.text)
    text = one.text.replace("\\n", "\n")
    if one.options is not None:
        return Split(question=text.strip(), options=dict(one.options), instructed=False)
    split = split_options(text)
    repairs += [INSTRUCTION] * split.instructed
    return split


def _prompt(benchmark: str, one: Annotation, split: Split) -> str:
    """What the released harness sends for a question, line breaks and all."""
    if one.prompt is not None:
        return one.prompt
    form = FORMS[benchmark]
    text = one.text.strip().replace("\n", form.line_break)
    if one.options is not None:
        return form.write(text, one.options)
    if not form.before and not form.after:
        return text
    return form.write(split.question.replace("\n", form.line_break), split.options)


def _answer(answer: str | None, options: Mapping[str, str]) -> tuple[str | None, str | None]:
    """The answer as its letter (free where there are no options), or why it cannot be scored."""
    if answer is None or not answer.strip():
        return None, "no answer is given"
    plain = answer.strip()
    if not options:
        return plain, None
    letter = plain.strip("().: ").upper()
    if letter in options:
        return letter, None
    named = [key for key, text in options.items() if text.strip() == plain]
    if len(named) == 1:
        return named[0], None
    if named:
        return None, f"the answer fits {len(named)} options"
    return None, "the answer names none of the options"


def _video(name: str, files: MediaFiles, profile: Profile, repairs: list[str]) -> Path | None:
    absolute = Path(name)
    if not absolute.is_absolute():
        return files.video(name)
    if profile == "reference" and absolute.is_file():
        return absolute
    repairs.append(ABSOLUTE_PATH)
    return files.video(name)


def _kept(repairs: list[str], verbatim: bool) -> list[str]:
    """What was really put right; verbatim, the text, its options and its answer were not."""
    left = (LITERAL_BREAKS, INSTRUCTION, EMPTY_OPTION, ANSWER_FORM) if verbatim else ()
    return [repair for repair in dict.fromkeys(repairs) if repair not in left]
