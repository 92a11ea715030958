"""Evaluates into a run directory: asks what has no record yet, scores it, writes the report.

It may be killed at any moment and called again with the same plan: questions with a record are not
asked again. What a killed process had begun and not finished is asked anew, under another
trajectory id.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import TypeAlias

from rich.console import Console
from rich.progress import Progress

from eva_graph.errors import InvalidRequest
from eva_graph.evaluation.asking import OnRecord
from eva_graph.evaluation.plan import EvaluationPlan
from eva_graph.evaluation.progress import EvaluationProgress
from eva_graph.evaluation.questions import EvalQuestion
from eva_graph.evaluation.report import Report, report
from eva_graph.evaluation.run_directory import EvaluationRun, sole_writer
from eva_graph.evaluation.tally import Tally
from eva_graph.evaluation.verdicts import Verdicts, judge_rows
from eva_graph.evaluation.video_questions import VideoQuestions, by_video
from eva_graph.policy.protocol import Policy
from eva_graph.trajectory import Trajectory

AskUnits: TypeAlias = Callable[[Sequence[VideoQuestions], OnRecord], Awaitable[None]]
"""Asks units of work: returns when each of their questions has a record in the run and `on_record`
was told of it. `eva_graph.evaluation.asking.ask_videos` with an asker does so in this process."""


def evaluate(
    plan: EvaluationPlan,
    run: str | Path,
    ask_units: AskUnits,
    *,
    retry_errors: bool = False,
    judge: Policy | None = None,
    console: Console | None = None,
) -> Report:
    """Ask the questions of a plan that have no record yet, and report on all of them.

    Args:
        plan: what to ask.
        run: the run directory; one that was begun with this plan is gone on with.
        ask_units: how to ask.
        retry_errors: ask again what ended in an error; the newer record counts.
        judge: decides on open answers; what it said before is not asked again.
        console: shows live progress and news; None shows nothing.

    Raises:
        InvalidRequest: no question can be asked, the run has another plan, or another process
            evaluates into it.
        PolicyError: the judge cannot be reached; nothing was asked.
        EvaGraphError: as `ask_units`; what was answered is kept.
    """
    if not by_video(plan.questions):
        raise InvalidRequest(_nothing_to_ask(plan))
    console = console or Console(quiet=True)
    with sole_writer(Path(run)):
        begun = EvaluationRun.begin(run, plan)
        tally = Tally(begun.rows())
        told = plan.settings.told()
        if judge is not None:
            told["judge"] = judge.info.name  # asks it: before the questions, not hours later
        asyncio.run(_ask_rest(begun, tally, ask_units, retry_errors, console))
        if judge is not None:
            _judge(begun, tally, judge, console)
        result = report(tally.rows, asked_for=told)
        begun.write(result)
    return result


async def _ask_rest(
    run: EvaluationRun, tally: Tally, ask_units: AskUnits, retry_errors: bool, console: Console
) -> None:
    done = {
        row.question.question_id
        for row in tally.rows
        if row.asked and not (retry_errors and row.failed)
    }
    units = by_video(run.plan.questions, done=done)
    if not units:
        return
    askable = sum(not question.missing for question in run.plan.questions)

    async def on_record(question: EvalQuestion, record: Trajectory) -> None:
        tally.add(await asyncio.to_thread(run.row, question, record))
        progress.update()

    with EvaluationProgress(console, tally, askable) as progress:
        await ask_units(units, on_record)


def _judge(run: EvaluationRun, tally: Tally, judge: Policy, console: Console) -> None:
    verdicts = Verdicts(run.run, judge)
    with Progress(console=console, transient=True, disable=not console.is_terminal) as progress:
        task = progress.add_task("judging", total=None)
        rows = judge_rows(tally.rows, verdicts, run.profile, advance=lambda: progress.advance(task))
    for row in rows:
        tally.add(row)
    if verdicts.failed:
        console.print(
            f"{verdicts.failed:,} answers could not be judged ({verdicts.last_error}): "
            "call again to judge them",
            style="yellow",
            markup=False,
            soft_wrap=True,
        )


def _nothing_to_ask(plan: EvaluationPlan) -> str:
    names = list(dict.fromkeys(question.video for question in plan.questions))
    if not names:
        return "there are no questions to ask: the annotations are empty"
    return (
        f"none of the {len(names):,} videos was found (the first is {names[0]}): "
        "--videos is the folder below which they lie"
    )
