"""The record: round trip, refusal of what it does not know, and reading a run."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from episodes import QUESTION, TWO_LOOKS

from eva_graph import Trajectory, VideoAgent
from eva_graph.errors import TrajectoryError
from eva_graph.result import RunResult
from eva_graph.testing import ScriptedPolicy
from eva_graph.trajectory import TRAJECTORY_VERSION, Recorder, read_records
from eva_graph_tools import FrameRef, FrameStore


@pytest.fixture
def run(tmp_path: Path) -> Path:
    return tmp_path / "run"


@pytest.fixture
def trajectory(clip: Path, frames: FrameStore, run: Path) -> Trajectory:
    agent = VideoAgent(ScriptedPolicy(TWO_LOOKS), frames=frames)
    return agent.run(clip, QUESTION, options=["red", "yellow"], record=run).trajectory


def test_round_trip(trajectory: Trajectory, run: Path, tmp_path: Path) -> None:
    trajectory.save(tmp_path / "one.json")
    assert Trajectory.load(tmp_path / "one.json") == trajectory
    assert list(read_records(run)) == [trajectory]
    assert "\n" not in trajectory.to_line()
    assert RunResult.from_trajectory(trajectory).answer == "B"


def test_what_is_fixed_for_the_episode(trajectory: Trajectory, clip: Path) -> None:
    assert trajectory.version == TRAJECTORY_VERSION == 2
    assert trajectory.video.path == str(clip)
    assert trajectory.video.video_id.startswith("sha256:")
    assert (trajectory.video.width, trajectory.video.height) == (112, 84)
    assert trajectory.dialect == "eva/corrected"
    assert trajectory.tools == ["frame_select"]
    assert trajectory.policy.backend == "scripted"
    assert trajectory.context["max_turns"] == 6
    assert {"eva-graph", "langgraph", "av"} <= trajectory.versions.keys()


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"version": 3}, "version 3 cannot be read here"),
        ({"version": None}, "version None"),
        ({"mood": "good"}, "mood"),
        ({"finished": "yesterday"}, "finished"),
        ({"amended": "2026-01-01T00:00:00Z"}, "amended"),
        ({"turns": 3}, "turns"),
        ({"video": {}}, "video"),
    ],
)
def test_what_it_does_not_know_is_refused(
    change: dict[str, Any], complaint: str, trajectory: Trajectory, run: Path
) -> None:
    line = json.dumps({**json.loads(trajectory.to_line()), **change})
    with pytest.raises(TrajectoryError, match=complaint) as raised:
        Trajectory.from_line(line)
    assert "\n" not in str(raised.value)
    (run / "records" / "9.jsonl").write_text(line + "\n")
    with pytest.raises(TrajectoryError, match=complaint):
        list(read_records(run))


@pytest.mark.parametrize("line", ["", "[]", "{", "null", "\ud800"])
def test_what_is_no_record(line: str, tmp_path: Path) -> None:
    with pytest.raises(TrajectoryError) as raised:
        Trajectory.from_line(line)
    assert "\n" not in str(raised.value)
    for path in (tmp_path / "missing.json", tmp_path):
        with pytest.raises(TrajectoryError, match="cannot read"):
            Trajectory.load(path)


def test_reading_a_run(trajectory: Trajectory, run: Path, tmp_path: Path) -> None:
    with pytest.raises(TrajectoryError, match="nothing was recorded"):
        list(read_records(tmp_path / "other"))
    second = trajectory.model_copy(update={"trajectory_id": "second"})
    mended = trajectory.model_copy(update={"answer": "mended"})
    shard = run / "records" / "9.jsonl"
    shard.write_text("".join(each.to_line() + "\n" for each in (second, mended)))
    with shard.open("a") as file:
        file.write(trajectory.to_line()[:50])
    assert list(read_records(run)) == [mended, second], "the last line of an episode counts"


def test_an_episode_that_has_not_ended(trajectory: Trajectory, run: Path) -> None:
    journal = run / "journal" / f"{trajectory.trajectory_id}.jsonl"
    lines = journal.read_text().splitlines(keepends=True)
    journal.write_text("".join(lines[:-1]))
    open_ended = Recorder(run).trajectory(trajectory.trajectory_id)
    assert len(open_ended.turns) == 3
    assert open_ended.stop_reason is None
    with pytest.raises(TrajectoryError, match="has not ended"):
        RunResult.from_trajectory(open_ended)
    with pytest.raises(TrajectoryError, match="nothing was recorded"):
        Recorder(run).trajectory("unknown")


def test_a_recorded_run_owns_its_frames(
    trajectory: Trajectory, frames: FrameStore, run: Path
) -> None:
    assert not frames.root.exists(), "the cache is not touched"
    stored = {path.stem for path in (run / "frames").rglob("*.jpg")}
    shown = {
        FrameRef.from_json(frame.ref).sha256
        for turn in trajectory.turns
        for call in turn.calls
        for frame in call.frames
    }
    assert stored == shown
    assert shown


def test_reflection_belongs_to_the_look_it_is_about(trajectory: Trajectory) -> None:
    assert [turn.reflection for turn in trajectory.turns] == [
        "Yellow near [00:03].",
        "At [00:03] it is yellow.",
        "",
    ]
    assert "Yellow near" in trajectory.turns[1].text
