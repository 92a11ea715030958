"""The stages of a chain: the plan's recipe with a folder, a start and data, trained by TRL."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from eva_graph_training.data.workplace import TRAIN
from eva_graph_training.miniature.plan import MiniaturePlan
from eva_graph_training.recipe import StageName
from eva_graph_training.stages import train_stage


def train(
    name: StageName,
    plan: MiniaturePlan,
    folder: Path,
    *,
    start: Path,
    data: Sequence[Path],
    **changes: Any,
) -> dict[str, Any]:
    """Train a stage, or go on with it; what became of it.

    Args:
        folder: the stage's own lies below it.
        start: model folder.
        data: run directories, exports or questions.
        changes: settings of the stage other than the plan's.

    Raises:
        EvaGraphError: as `train_stage`.
    """
    given = {"start": str(start), "data": tuple(map(str, data)), **changes}
    stage = plan.recipe.stage(name).model_copy(update=given)
    recipe = plan.recipe.model_copy(update={"work": str(folder), name: stage})
    trained = train_stage(name, recipe)
    return {"steps": trained.steps, "rows": trained.rows}


def model_of(folder: Path, name: StageName) -> Path:
    """The model that a stage left in a step's folder."""
    return folder / name / "model"


def rows_of(folder: Path) -> Path:
    """The rows that a data step exported."""
    return folder / TRAIN
