"""Training starts with the vision-integrity check, before any model is loaded."""

from __future__ import annotations

from pathlib import Path

import pytest
from episodes import QUESTION, TWO_LOOKS

from eva_graph import VideoAgent
from eva_graph.errors import TrajectoryError
from eva_graph.testing import ScriptedPolicy
from eva_graph_training.recipe import Recipe, SftStage
from eva_graph_training.stages.sft import train_sft


def test_unsound_runs_are_not_trained_on(clip: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    VideoAgent(ScriptedPolicy(TWO_LOOKS)).run(clip, QUESTION, record=run)
    frame = next(run.rglob("*.jpg"))
    frame.write_bytes(frame.read_bytes()[:-1])
    recipe = Recipe(
        summary="unsound",
        work=str(tmp_path / "out"),
        model=str(tmp_path / "no model"),
        runs=(str(run),),
        sft=SftStage(precision="fp32"),
    )
    with pytest.raises(TrajectoryError, match="changed_frame"):
        train_sft(recipe)
    assert [path.name for path in (tmp_path / "out").rglob("*")] == ["sft", ".lock"]
