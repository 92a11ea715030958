"""What an evaluation asks, and how: the run's `evaluation.json`.

It is written before the first question is asked and holds the questions themselves, so that a
report needs nothing but the run. A command that would ask otherwise is refused: one run, one plan.
"""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final, Literal

from pydantic import BaseModel, ConfigDict, TypeAdapter, ValidationError

from eva_graph.errors import InvalidRequest, TrajectoryError
from eva_graph.evaluation.benchmarks import load_questions
from eva_graph.evaluation.questions import EvalQuestion, Profile
from eva_graph.evaluation.video_questions import sampled

PLAN_FILE: Final = "evaluation.json"
_QUESTION = TypeAdapter(EvalQuestion)


class EvaluationSettings(BaseModel):
    """How the questions of a run are chosen and asked. Names are those of the command's options."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    benchmark: str
    profile: Profile = "corrected"
    model: str
    """Name of the policy, as the server or the folder calls it; its address may change."""
    baseline: str | None = None
    dialect: str = "eva"
    instructions: bool = False
    tools: tuple[str, ...] | None = None
    calls: Literal["turn", "phase"] = "turn"
    max_turns: int = 6
    max_new_tokens: int = 2048
    look_budget: int = 12_000
    episode_visual_budget: int | None = None
    limit: int | None = None
    seed: int = 0

    def told(self) -> dict[str, str]:
        """What a report says of them: what was asked, and what differs from the default."""
        fields = type(self).model_fields
        return {
            name.replace("_", " "): _text(value)
            for name, value in self
            if name in ("benchmark", "profile", "model") or value != fields[name].default
        }


class EvaluationPlan(BaseModel):
    """The settings and the questions."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    version: Literal[1] = 1
    settings: EvaluationSettings
    questions: tuple[EvalQuestion, ...]

    @classmethod
    def of(cls, settings: EvaluationSettings, annotations: Path, videos: Path) -> EvaluationPlan:
        """The plan that the settings make of an annotation file and a folder of videos.

        Raises:
            InvalidRequest, MissingExtra: as `load_questions` and `sampled`; a path that is no text.
        """
        loaded = load_questions(settings.benchmark, annotations, videos, profile=settings.profile)
        chosen = sampled(loaded, settings.limit, seed=settings.seed)
        for question in chosen:
            _check_text(question.video, question.subtitles or "")
        return cls(settings=settings, questions=tuple(chosen))

    def save(self, run: Path) -> None:
        """Write `evaluation.json`; it appears complete or not at all. Raises `TrajectoryError`."""
        path = run / PLAN_FILE
        settings = json.dumps(self.settings.model_dump(mode="json"))
        rows = (json.dumps(_QUESTION.dump_python(one, mode="json")) for one in self.questions)
        text = (
            f'{{"version": {self.version},\n"settings": {settings},\n"questions": [\n'
            + ",\n".join(rows)
            + "\n]}\n"
        )
        draft = path.with_suffix(f".{os.getpid()}.tmp")
        try:
            run.mkdir(parents=True, exist_ok=True)
            draft.write_text(text, encoding="utf-8")
            draft.replace(path)
        except OSError as error:
            raise TrajectoryError(f"cannot write {path}: {error}") from None

    @classmethod
    def model_of(cls, run: Path) -> str | None:
        """Name of the policy that a run was begun with; None where nothing was begun."""
        return cls.load(run).settings.model if (run / PLAN_FILE).exists() else None

    @classmethod
    def load(cls, run: Path) -> EvaluationPlan:
        """Read a run's plan. Raises `TrajectoryError` where it has none that can be read."""
        path = run / PLAN_FILE
        try:
            return cls.model_validate_json(path.read_bytes())
        except FileNotFoundError:
            raise TrajectoryError(f"{run} is no evaluation: it holds no {PLAN_FILE}") from None
        except OSError as error:
            raise TrajectoryError(f"cannot read {path}: {error}") from None
        except ValidationError as error:
            first = error.errors()[0]
            where = ".".join(map(str, first["loc"]))
            raise TrajectoryError(f"cannot read {path}: {where}: {first['msg']}") from None

    def check_continues(self, other: EvaluationPlan, run: Path) -> None:
        """Whether `other`, a new command's, asks what this plan of `run` asks, in the same way.

        Where the videos lie may change.

        Raises:
            InvalidRequest: it does not; names the first difference.
        """
        for name, ours in self.settings:
            theirs = getattr(other.settings, name)
            if theirs != ours:
                raise InvalidRequest(
                    f"{run} was begun with {_option(name)} {_text(ours)}, not "
                    f"{_text(theirs)}: give what it was begun with, or another --out"
                )
        changed = _first_change(self.questions, other.questions)
        if changed is not None:
            raise InvalidRequest(
                f"{run} was begun with other questions, {changed}: the annotations have changed; "
                "give another --out"
            )


def _check_text(*paths: str) -> None:
    """A run is read on other machines: what their file systems call bytes has no place in it."""
    for path in paths:
        if any("\ud800" <= letter <= "\udfff" for letter in path):
            raise InvalidRequest(f"{path!r} is not valid Unicode text: rename the file or folder")


def _option(name: str) -> str:
    """The command's option that a setting comes from."""
    return {"benchmark": "BENCH", "tools": "--tool"}.get(name, f"--{name.replace('_', '-')}")


def _first_change(ours: Sequence[EvalQuestion], theirs: Sequence[EvalQuestion]) -> str | None:
    if len(ours) != len(theirs):
        return f"{len(ours):,} and not {len(theirs):,}"
    pairs = zip(ours, theirs, strict=True)
    return next(
        (f"see question {one.question_id}" for one, new in pairs if _asked(one) != _asked(new)),
        None,
    )


def _asked(question: EvalQuestion) -> tuple[Any, ...]:
    """Everything that decides on a record and its score, but for where files lie."""
    return (
        question.question_id,
        question.question,
        list(question.options.items()),
        question.answer,
        question.time_reference,
    )


def _text(value: object) -> str:
    if isinstance(value, tuple):
        return ",".join(map(str, value))
    return "none" if value is None else str(value)
