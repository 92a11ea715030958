"""A run as a Hugging Face dataset: all of every record, and never an old state of the run."""

from __future__ import annotations

from pathlib import Path

import datasets
import pytest
from episodes import QUESTION, TWO_LOOKS
from run_writer import old_record

from eva_graph import Trajectory, VideoAgent
from eva_graph.errors import TrajectoryError
from eva_graph.testing import ScriptedPolicy
from eva_graph.trajectory import RecordFilter, RunStore
from eva_graph_training.run_dataset import run_dataset


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")
    datasets.disable_progress_bars()


def test_a_run_as_a_dataset(clip: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    VideoAgent(ScriptedPolicy(TWO_LOOKS)).run(clip, QUESTION, record=run)
    store = RunStore(run)
    first = next(store.records())
    (row,) = run_dataset(run)
    assert Trajectory.from_line(row["record"]) == first
    assert (row["answer"], row["correct"], row["turns"]) == ("yellow", None, 3)
    store.append(old_record(1))
    assert len(run_dataset(run)) == 2, "a run that has grown is read anew"
    store.amend([first.model_copy(update={"expected": "yellow", "labels": ["x"]})])
    assert run_dataset(run)["labels"] == [["x"], []]
    assert len(run_dataset(run, RecordFilter(correct=True))) == 1
    with pytest.raises(TrajectoryError, match="nothing was recorded"):
        run_dataset(tmp_path / "missing")
