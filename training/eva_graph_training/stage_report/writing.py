"""Gathers a finished stage's report and writes it."""

from __future__ import annotations

import base64
import gc
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch.utils.tensorboard import SummaryWriter

from eva_graph.errors import EvaGraphError
from eva_graph.evaluation import EvalQuestion
from eva_graph_training.errors import TrainingError
from eva_graph_training.stage_report.answers import HeldOut, held_out, sample_answers
from eva_graph_training.stage_report.curves import Curve, curves_of, picture, totals_of
from eva_graph_training.stage_report.facts import flat, versions
from eva_graph_training.stage_report.page import report_page
from eva_graph_training.stage_report.questions import held_out_questions, training_questions
from eva_graph_training.stage_report.transcripts import transcripts
from eva_graph_training.stages.logs import read_log

if TYPE_CHECKING:
    from eva_graph_training.stages.run import StageRun


def report_stage(run: StageRun) -> None:
    """Write a finished stage's report and say where it is; a model is never lost for it.

    Call it in every process: the first one writes. What goes wrong is told in one line.
    """
    state = run.folder.read()
    if not run.devices.first or state is None:
        return
    gc.collect()
    torch.cuda.empty_cache()
    try:
        page = write_stage_report(run, state)
    except EvaGraphError as error:
        run.console.print(
            f"{run.name}: the model is trained, its report is not written: {error}; the same "
            "command again writes it",
            markup=False,
        )
    else:
        run.console.print(f"{run.name}: {page}", markup=False)


def write_stage_report(run: StageRun, state: Mapping[str, Any]) -> Path:
    """Write `report.json` and `report.html`, and the transcripts into TensorBoard's log.

    Asks the held-out questions, or sample questions; what was asked before is not asked again.

    Args:
        run: a finished stage.
        state: content of its `stage.json`.

    Returns:
        The page.

    Raises:
        EvaGraphError: a model cannot be loaded, or a file not be read or written.
    """
    log = read_log(run.folder.log)
    curves = curves_of(log)
    scores, played = _answered(run)
    told = {
        "stage": run.name,
        "recipe": run.recipe.summary,
        "start": str(run.start),
        "model": str(run.folder.model),
        "steps": state["steps"],
        "seconds": state.get("seconds"),
        "devices": state.get("devices"),
        "machine": state.get("machine", {}),
        "versions": versions(state.get("versions", {})),
        "data": state["data"],
        "settings": dict(flat(run.stage.model_dump(mode="json"))),
        "not_stated": run.recipe.not_stated,
        "totals": totals_of(log),
        "curves": [asdict(curve) for curve in curves],
        "held_out": None if scores is None else _scores(scores),
        "transcripts": played,
    }
    _log_transcripts(run, state["steps"], played)
    return _write(run.folder.path, told, report_page(told, _pictures(curves), scores))


def _answered(run: StageRun) -> tuple[HeldOut | None, list[dict[str, Any]]]:
    """Scores, where questions are held out, and sample episodes."""
    count = run.stage.transcripts
    questions = held_out_questions(run.name, run.stage)
    if questions:
        scores = _held_out(run, questions)
        return scores, transcripts(scores.after.run, count)
    samples = training_questions(run.recipe.sources(run.name), count)
    if not samples:
        return None, []
    answered = sample_answers(
        samples,
        trained=run.folder.model,
        folder=run.folder.path / "samples",
        episode=run.recipe.episode,
        console=run.console,
    )
    return None, transcripts(answered.run, count)


def _held_out(run: StageRun, questions: Sequence[EvalQuestion]) -> HeldOut:
    run.console.print(f"{run.name}: {len(questions)} held-out questions, before and after")
    return held_out(
        questions,
        start=run.start,
        trained=run.folder.model,
        folder=run.folder.path / "held_out",
        episode=run.recipe.episode,
        console=run.console,
    )


def _scores(scores: HeldOut) -> dict[str, Any]:
    return {
        "before": {"run": str(scores.before.run), "reused": scores.before.reused,
                   **scores.before.report.to_json()},
        "after": {"run": str(scores.after.run), **scores.after.report.to_json()},
        "comparison": scores.comparison.to_json(),
    }  # fmt: skip


def _pictures(curves: Sequence[Curve]) -> list[tuple[str, str]]:
    """Name of each curve, and its picture in base64."""
    return [(one.name, base64.b64encode(picture(one)).decode("ascii")) for one in curves]


def _log_transcripts(run: StageRun, steps: int, played: Sequence[Mapping[str, Any]]) -> None:
    if "tensorboard" not in run.stage.trackers or not played:
        return
    with SummaryWriter(str(run.folder.tensorboard)) as writer:
        for number, one in enumerate(played, 1):
            turns = "\n\n".join(turn["text"] for turn in one["turns"])
            writer.add_text(f"transcript/{number}", f"{one['question']}\n\n{turns}", steps)


def _write(folder: Path, told: Mapping[str, Any], page: str) -> Path:
    try:
        for name, text in (("report.json", json.dumps(told, indent=1) + "\n"),
                           ("report.html", page)):  # fmt: skip
            beside = folder / f"{name}.new"
            beside.write_text(text, encoding="utf-8", errors="replace")
            beside.replace(folder / name)
    except OSError as error:
        raise TrainingError(f"cannot write the report: {error}") from None
    return folder / "report.html"
