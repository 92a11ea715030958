"""How large the miniature is: every number of a chain, read from `plan.yaml`.

`full` names them all; `third` and `smoke` name what differs. Changes of a command come last.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib.resources import files
from typing import Any, Literal

import yaml
from pydantic import Field, ValidationError

from eva_graph_training.errors import RecipeError
from eva_graph_training.recipe import Recipe
from eva_graph_training.recipe.settings import (
    Amount,
    Count,
    Positive,
    Seed,
    Settings,
    Share,
)

Size = Literal["full", "third", "smoke"]
Mix = Literal["mixed", "choice", "open"]


class WorldSizes(Settings):
    """Videos of each split; `unseen` ones are those of the train split behind the others."""

    train_videos: Count
    unseen_videos: Count
    test_videos: Count
    ood_videos: Count


class TeacherSizes(Settings):
    """What the teacher plays, and in which manners; the rest of the attempts is efficient."""

    questions: Count
    attempts: Count
    careful_share: Share
    hasty_share: Share


class KtoSizes(Settings):
    """What is resampled, and what becomes of it."""

    questions: Count
    attempts: Count
    rows: Count
    desirable_share: Share = 0.63
    wasteful_factor: Positive
    """A success that cost that many times the cheapest one at its question is undesirable."""


class RlSizes(Settings):
    """Questions of each round of GRPO, and who writes new ones."""

    rounds: Count
    """GRPO's steps are played in that many parts, each on a set made with the policy so far."""
    questions: Count
    attempts: Count
    mix: Mix
    choice_share: Share
    """Of a mixed set; the paper has 1.1k of 10.7k."""
    enhanced: bool
    """Whether the failures become new questions on unseen videos."""
    written_per_video: Count


class PassiveSizes(Settings):
    """The passive baselines."""

    multiples: tuple[Count, ...]
    """Of the agent's mean visual tokens."""
    resize: Share
    """Of the frames."""
    questions: Count
    """Trained on."""


class JudgeSizes(Settings):
    """The judge of self-verification: the base, taught to answer from a look's frames."""

    rows: Amount


class StageChanges(Settings):
    """What a baseline's or the judge's SFT has other than the agent's."""

    max_steps: Count


class MiniaturePlan(Settings):
    """Everything that decides a chain, but for the base model."""

    seed: Seed = 0
    with_kto: bool = True
    fixed: bool = True
    """Whether the fixed workflow is trained too."""
    measure_start: bool = False
    """Whether the base is asked too: it writes on and on."""
    world: WorldSizes
    world_seconds: Count | None = None
    """Longest video; None: as the splits have it."""
    teacher: TeacherSizes
    kto: KtoSizes
    rl: RlSizes
    passive: PassiveSizes
    judge: JudgeSizes
    concurrency: Count = Field(exclude=True)
    """Episodes that a policy plays at once."""
    processes: Count = Field(exclude=True)
    """That film and that play the teacher."""
    recipe: Recipe
    baseline_sft: StageChanges
    judge_sft: StageChanges


ABLATIONS: Mapping[str, Mapping[str, Any]] = {
    "without-kto": {"with_kto": False},
    "without-self-verification": {
        "recipe": {"grpo": {"rewards": {"self_verification": False}}},
    },
    "without-enhancement": {"rl": {"enhanced": False}},
    "choice-only": {"rl": {"mix": "choice"}},
    "open-only": {"rl": {"mix": "open"}},
}
"""What each ablation changes."""


def load_plan(
    size: Size, *, seed: int = 0, ablation: str | None = None, overrides: Sequence[str] = ()
) -> MiniaturePlan:
    """The plan of a size.

    Args:
        seed: of teacher, stages and sampling; the world's videos are the same for all.
        ablation: one of `ABLATIONS`; its change comes after the size's.
        overrides: `key=value` each, the key dotted, the value YAML; they come last.

    Raises:
        RecipeError: no such ablation, or a value makes no sense.
    """
    text = (files("eva_graph_training.miniature") / "plan.yaml").read_text(encoding="utf-8")
    sizes: dict[str, dict[str, Any]] = yaml.safe_load(text)
    if ablation is not None and ablation not in ABLATIONS:
        raise RecipeError(f"no ablation {ablation!r}: choose from {', '.join(ABLATIONS)}")
    changes = [{} if size == "full" else sizes[size], ABLATIONS[ablation] if ablation else {}]
    values: dict[str, Any] = sizes["full"]
    for change in (*changes, *map(_change, overrides), _seeded(seed)):
        values = _merged(values, change)
    try:
        return MiniaturePlan.model_validate(values)
    except ValidationError as error:
        first = error.errors()[0]
        raise RecipeError(f"{'.'.join(map(str, first['loc']))}: {first['msg']}") from None


def _seeded(seed: int) -> dict[str, Any]:
    stages = {name: {"seed": seed} for name in ("sft", "kto", "grpo")}
    return {"seed": seed, "recipe": stages}


def _merged(values: Mapping[str, Any], change: Mapping[str, Any]) -> dict[str, Any]:
    merged = dict(values)
    for name, value in change.items():
        both = isinstance(value, Mapping) and isinstance(merged.get(name), Mapping)
        merged[name] = _merged(merged[name], value) if both else value
    return merged


def _change(override: str) -> dict[str, Any]:
    key, equals, text = override.partition("=")
    names = key.strip().split(".")
    if not equals or not all(names):
        raise RecipeError(f"--set takes key=value, not {override!r}")
    try:
        change: Any = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise RecipeError(f"--set {override} is no YAML: {' '.join(str(error).split())}") from None
    for name in reversed(names):
        change = {name: change}
    return dict(change)
