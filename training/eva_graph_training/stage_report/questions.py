"""Which questions a report asks: those that are held out, or some that were trained on."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from eva_graph.errors import EvaGraphError
from eva_graph.evaluation import EvalQuestion, load_questions, sampled
from eva_graph_training.errors import DataError, RecipeError
from eva_graph_training.recipe import Stage, StageName
from eva_graph_training.stages.grpo_questions import NO_ANSWER, read_questions


def held_out_questions(name: StageName, stage: Stage) -> tuple[EvalQuestion, ...]:
    """A sample of at most `held_out.limit` questions; none where the recipe names no file.

    Videos lie below the file's own folder, or where an absolute path says.

    Raises:
        RecipeError: the file cannot be read, holds no questions, or one of its videos is missing.
    """
    if stage.held_out.questions is None:
        return ()
    where = f"{name}.held_out.questions"
    file = Path(stage.held_out.questions)
    try:
        questions = _listed(file)
    except EvaGraphError as error:
        raise RecipeError(f"{where}: {error}") from None
    for question in questions:
        if question.missing:
            raise RecipeError(f"{where}: {file} names a video that is not there: {question.video}")
    return tuple(sampled(questions, stage.held_out.limit))


def training_questions(sources: Sequence[Path], count: int) -> tuple[EvalQuestion, ...]:
    """A sample of what a stage was trained on, of questions whose video is there.

    Exports for SFT and KTO name no videos that could be asked about: they give none.

    Raises:
        EvaGraphError: a source cannot be read.
    """
    found = [one for path in sources for one in _of_source(path) if _is_there(one)]
    by_id = {one.question_id: one for one in found}
    return tuple(sampled(list(by_id.values()), count)) if count else ()


def _of_source(path: Path) -> Iterator[EvalQuestion]:
    try:
        asked = read_questions(path)
    except DataError:
        return
    for one in asked:
        yield EvalQuestion(
            benchmark="samples",
            question_id=one.name(one.video_id or one.video),
            video=one.video,
            question=one.question.text,
            options=dict(one.question.options),
            answer=one.answer,
            time_reference=one.time_reference,
            subtitles=one.subtitles,
            problem=NO_ANSWER if one.answer is None else None,
        )


def _listed(file: Path) -> list[EvalQuestion]:
    loaded = load_questions("custom", file, file.parent)
    return [
        replace(one, missing=False) if Path(one.video).is_absolute() and _is_there(one) else one
        for one in loaded
    ]


def _is_there(question: EvalQuestion) -> bool:
    return Path(question.video).is_file()
