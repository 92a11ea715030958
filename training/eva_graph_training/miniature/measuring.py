"""Measures a policy on a split, and keeps of every question what tables need, in few bytes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any, Final

from pydantic import BaseModel, ConfigDict, model_validator
from rich.console import Console

from eva_graph.evaluation import (
    EpisodeRow,
    EvalQuestion,
    EvaluationPlan,
    EvaluationRun,
    EvaluationSettings,
    ask_videos,
    evaluate,
    make_asker,
)
from eva_graph.policy.resolve import resolve_policy
from eva_graph_training.miniature.plan import MiniaturePlan
from eva_graph_training.stages.folder import fingerprint

_SIGNS: Final = 12


class Measured(BaseModel):
    """A policy's episodes on a split, a place in every column for each question.

    Attributes:
        questions: `<video>-<kind>`.
        right: 1 or 0 for each.
        rounds: a digit for each.
        frames, visual_tokens: counted once a frame.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    questions: tuple[str, ...]
    right: str
    rounds: str
    frames: tuple[int, ...]
    visual_tokens: tuple[int, ...]

    @model_validator(mode="after")
    def _is_whole(self) -> Measured:
        lengths = {len(column) for _, column in self}
        if len(lengths) != 1 or not set(self.right) <= {"0", "1"} or not self.rounds.isdigit():
            raise ValueError("every question needs a place in every column")
        return self

    def rows(self) -> Iterator[MeasuredRow]:
        """The questions one by one."""
        columns = zip(self.questions, self.right, self.rounds, self.frames, self.visual_tokens,
                      strict=True)  # fmt: skip
        for question, is_right, rounds, frames, tokens in columns:
            video, _, kind = question.rpartition("-")
            yield MeasuredRow(
                video=video,
                kind=kind,
                question=question,
                right=is_right == "1",
                rounds=int(rounds),
                frames=frames,
                visual_tokens=tokens,
            )


class MeasuredRow(BaseModel):
    """One question's episode."""

    model_config = ConfigDict(frozen=True)

    video: str
    kind: str
    question: str
    right: bool
    rounds: int
    frames: int
    visual_tokens: int


def measure(
    run: Path,
    plan: MiniaturePlan,
    model: Path,
    questions: Sequence[EvalQuestion],
    *,
    baseline: str | None,
    console: Console,
) -> Measured:
    """Ask a model all questions, as an evaluation in `run` that goes on where it stopped.

    Args:
        baseline: how it is asked, as `--baseline` names it; None: as an agent.
        console: shows progress.

    Raises:
        EvaGraphError: the model cannot be loaded, or a record not be written.
    """
    episode = plan.recipe.episode
    settings = EvaluationSettings(
        benchmark="custom",
        model=f"nano {fingerprint(model)[:_SIGNS]}",
        baseline=baseline,
        tools=episode.tools,
        max_turns=episode.max_turns,
        max_new_tokens=episode.max_new_tokens,
        look_budget=episode.look_budget,
    )
    asked = EvaluationPlan(settings=settings, questions=tuple(questions))
    asker = make_asker(settings, resolve_policy(str(model)), run)
    ask = partial(ask_videos, asker=asker, concurrency=plan.concurrency)
    evaluate(asked, run, ask, console=console)
    return measured(EvaluationRun(run).rows())


def measured(rows: Sequence[EpisodeRow]) -> Measured:
    """The columns of an evaluation's rows; what was not asked is left out."""
    asked = [row for row in rows if row.asked]
    return Measured(
        questions=tuple(row.question.question_id for row in asked),
        right="".join("1" if row.score.correct else "0" for row in asked),
        rounds="".join(str(min(row.rounds, 9)) for row in asked),
        frames=tuple(row.frames for row in asked),
        visual_tokens=tuple(row.visual_tokens for row in asked),
    )


def mean_tokens(found: Measured) -> int:
    """Mean visual tokens of an episode, at least 1."""
    tokens = found.visual_tokens
    return max(1, round(sum(tokens) / max(1, len(tokens))))


def facts(found: Measured) -> dict[str, Any]:
    """For a step's `done.json`, with its mean accuracy for people."""
    share = found.right.count("1") / max(1, len(found.right))
    return {"measured": found.model_dump(mode="json"), "right": round(share, 4)}
