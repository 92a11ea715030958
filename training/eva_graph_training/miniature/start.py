"""Where a chain starts, and whether a small one learned anything."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from eva_graph_training.errors import DataError, TrainingError

CHECKPOINT = Path(__file__).parent.parent / "base" / "checkpoint"
"""The committed base: eyes and reading lessons, no episode seen."""


def base_folder(given: Path | None) -> Path:
    """The model folder that a chain starts from.

    Raises:
        DataError: none is given, and none comes with the package.
    """
    folder = given or CHECKPOINT
    if not (folder / "config.json").is_file():
        raise DataError(f"{folder} holds no model to start from: give --base FOLDER")
    return folder


def require_better(shares: Mapping[str, float]) -> None:
    """Check that the last policy answers more held-out questions than the start.

    Args:
        shares: right answers to test questions, by policy, in the order of the stages.

    Raises:
        TrainingError: it does not.
    """
    start, last = shares["start"], list(shares)[-1]
    if shares[last] <= start:
        raise TrainingError(
            f"{last} answers {shares[last]:.1%} of the held-out questions, the start {start:.1%}: "
            "nothing was learned"
        )
