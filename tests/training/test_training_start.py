"""Training starts with the vision-integrity check, before any model is loaded."""

from __future__ import annotations

from pathlib import Path

import pytest
from episodes import QUESTION, TWO_LOOKS

from eva_graph import VideoAgent
from eva_graph.errors import TrajectoryError
from eva_graph.testing import ScriptedPolicy
from eva_graph_training.sft import SftSettings, train_sft


def test_unsound_runs_are_not_trained_on(clip: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    VideoAgent(ScriptedPolicy(TWO_LOOKS)).run(clip, QUESTION, record=run)
    frame = next(run.rglob("*.jpg"))
    frame.write_bytes(frame.read_bytes()[:-1])
    settings = SftSettings(max_steps=1, learning_rate=1e-5)
    with pytest.raises(TrajectoryError, match="changed_frame"):
        train_sft(tmp_path / "no model", [run], tmp_path / "out", settings)
    assert not (tmp_path / "out").exists()
