"""Models that answer questions for a report: evaluations, greedy, in the recipe's episodes.

An evaluation that was stopped goes on. One that asked something else, or another model, is of no
use to this report and is replaced. The model before a stage is the one after the stage before it:
where that one answered the same questions in the same way, its answers are taken.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from rich.console import Console

from eva_graph.errors import EvaGraphError
from eva_graph.evaluation import (
    Comparison,
    EvalQuestion,
    EvaluationPlan,
    EvaluationRun,
    EvaluationSettings,
    Report,
    ask_videos,
    compare,
    evaluate,
    make_asker,
    report,
)
from eva_graph.policy.resolve import resolve_policy
from eva_graph_training.recipe import EpisodeSettings
from eva_graph_training.stages.folder import fingerprint

_DIGITS = 16
_AT_A_TIME = 16
"""Of a fingerprint, behind the model folder's name: other weights are another model."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answers:
    """A model's answers to questions.

    Attributes:
        run: the evaluation's run directory.
        report: what it says.
        reused: whether another stage asked for them.
    """

    run: Path
    report: Report
    reused: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class HeldOut:
    """The score before and after a stage, and the difference, paired by question."""

    before: Answers
    after: Answers
    comparison: Comparison


def held_out(
    questions: Sequence[EvalQuestion],
    *,
    start: Path,
    trained: Path,
    folder: Path,
    episode: EpisodeSettings,
    console: Console,
) -> HeldOut:
    """Ask the start and the trained model.

    Args:
        questions: to ask both.
        start: model folder before the stage.
        trained: model folder after it.
        folder: for `before` and `after`.
        episode: how they are asked.
        console: shows progress.

    Raises:
        EvaGraphError: a model cannot be loaded, or a folder not be written.
    """
    first, second = _plan(questions, start, episode), _plan(questions, trained, episode)
    others = start.parent / "held_out" / "after"
    if _answers(others, first):
        before = Answers(run=others, report=_report(others), reused=True)
    else:
        before = answers(first, start, folder / "before", console)
    after = answers(second, trained, folder / "after", console)
    rows = [EvaluationRun(one.run).rows() for one in (before, after)]
    return HeldOut(before=before, after=after, comparison=compare(*rows))


def sample_answers(
    questions: Sequence[EvalQuestion],
    *,
    trained: Path,
    folder: Path,
    episode: EpisodeSettings,
    console: Console,
) -> Answers:
    """Ask the trained model questions that it was trained on; raises as `held_out`."""
    return answers(_plan(questions, trained, episode), trained, folder, console)


def answers(plan: EvaluationPlan, model: Path, run: Path, console: Console) -> Answers:
    """Ask what has no answer yet."""
    if run.exists() and not _is_begun(run, plan):
        shutil.rmtree(run)
    asker = make_asker(plan.settings, resolve_policy(str(model)), run)
    asked = partial(ask_videos, asker=asker, concurrency=_AT_A_TIME)
    return Answers(run=run, report=evaluate(plan, run, asked, console=console))


def _plan(
    questions: Iterable[EvalQuestion], model: Path, episode: EpisodeSettings
) -> EvaluationPlan:
    asked = tuple(questions)
    settings = EvaluationSettings(
        benchmark=asked[0].benchmark,
        model=f"{model} {fingerprint(model)[:_DIGITS]}",
        tools=episode.tools,
        max_turns=episode.max_turns,
        max_new_tokens=episode.max_new_tokens,
        look_budget=episode.look_budget,
        episode_visual_budget=episode.episode_visual_budget,
    )
    return EvaluationPlan(settings=settings, questions=asked)


def _is_begun(run: Path, plan: EvaluationPlan) -> bool:
    try:
        EvaluationPlan.load(run).check_continues(plan, run)
    except EvaGraphError:
        return False
    return True


def _answers(run: Path, plan: EvaluationPlan) -> bool:
    """Whether an evaluation of this plan is there and whole."""
    try:
        begun = EvaluationRun(run)
        begun.plan.check_continues(plan, run)
    except EvaGraphError:
        return False
    return all(row.asked for row in begun.rows())


def _report(run: Path) -> Report:
    begun = EvaluationRun(run)
    return report(begun.rows(), asked_for=begun.plan.settings.told())
