"""A process that dies anywhere in an episode, and another one that goes on."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from crashing import in_new_process
from episodes import lasting

from eva_graph.testing import make_clip
from eva_graph.trajectory import Trajectory, read_records

NODES = 8
CALLS = 3
BOUNDARIES = [
    *(("checkpoint", n) for n in range(1, NODES + 3)),  # one for the input, one for its node
    *(("before writes", n) for n in range(2, NODES + 2)),  # the first are the input's
    *(("after writes", n) for n in range(2, NODES + 2)),
    *(("before policy", n) for n in range(1, CALLS + 1)),
    *(("after policy", n) for n in range(1, CALLS + 1)),
]


@pytest.fixture(scope="module")
def whole(clip: Path, tmp_path_factory: pytest.TempPathFactory) -> Trajectory:
    """The record of an episode that nothing interrupted."""
    folder = tmp_path_factory.mktemp("whole")
    result = in_new_process(folder, clip)
    assert result is not None
    assert result["answer"] == "yellow"
    assert result["events"] == {
        "checkpoint": NODES + 2,
        "before writes": NODES + 1,
        "after writes": NODES + 1,
        "before policy": CALLS,
        "after policy": CALLS,
    }, "BOUNDARIES covers every one"
    return record_of(folder)


def record_of(folder: Path) -> Trajectory:
    (record,) = read_records(folder / "run")
    return record


def calls_made(folder: Path) -> int:
    return len((folder / "policy.log").read_text().splitlines())


@pytest.mark.parametrize(("event", "number"), BOUNDARIES)
def test_dies_and_goes_on(
    event: str, number: int, whole: Trajectory, clip: Path, tmp_path: Path
) -> None:
    assert in_new_process(tmp_path, clip, event=event, number=number) is None
    result = in_new_process(tmp_path)
    assert result is not None
    assert result["answer"] == "yellow"
    assert lasting(record_of(tmp_path)) == lasting(whole)
    repeated = event in ("after policy", "before writes")
    assert calls_made(tmp_path) in ((CALLS, CALLS + 1) if repeated else (CALLS,))


@pytest.mark.parametrize("number", [4, 6, 9, 12])
def test_dies_embedded_in_a_parent(
    number: int, whole: Trajectory, clip: Path, tmp_path: Path
) -> None:
    assert (
        in_new_process(tmp_path, clip, event="checkpoint", number=number, mode="embedded") is None
    )
    result = in_new_process(tmp_path, mode="embedded")
    assert result is not None
    assert (result["ready"], result["answer"]) == (True, "yellow")
    assert lasting(record_of(tmp_path)) == lasting(whole)
    assert calls_made(tmp_path) == CALLS


@pytest.mark.parametrize("event", ["before writes", "checkpoint"])
@pytest.mark.parametrize("number", [4, 6, 8])
def test_dies_ahead_of_its_checkpoints(
    event: str, number: int, whole: Trajectory, clip: Path, tmp_path: Path
) -> None:
    """LangGraph's default may lose one finished step more; the record is no different."""
    assert in_new_process(tmp_path, clip, event=event, number=number, mode="late") is None
    result = in_new_process(tmp_path, mode="late")
    assert result is not None
    assert result["answer"] == "yellow"
    assert lasting(record_of(tmp_path)) == lasting(whole)
    assert calls_made(tmp_path) <= CALLS + 2


@pytest.mark.parametrize("number", range(1, 9))
def test_dies_between_the_parts_of_a_message(
    number: int, whole: Trajectory, clip: Path, tmp_path: Path
) -> None:
    assert (
        in_new_process(tmp_path, clip, event="after policy", number=number, mode="phases") is None
    )
    result = in_new_process(tmp_path, mode="phases")
    assert result is not None
    assert result["answer"] == "yellow"
    record = record_of(tmp_path)
    assert [turn.text for turn in record.turns] == [turn.text for turn in whole.turns]
    assert [turn.reflection for turn in record.turns] == [t.reflection for t in whole.turns]
    assert [turn.policy_calls for turn in record.turns] == [3, 4, 1]
    assert calls_made(tmp_path) == 8 + 1


@pytest.mark.parametrize(("event", "number"), [("before policy", 2), ("after policy", 3)])
def test_dies_in_an_async_graph(
    event: str, number: int, whole: Trajectory, clip: Path, tmp_path: Path
) -> None:
    assert in_new_process(tmp_path, clip, event=event, number=number, mode="async") is None
    result = in_new_process(tmp_path, mode="async")
    assert result is not None
    assert result["answer"] == "yellow"
    assert lasting(record_of(tmp_path)) == lasting(whole)
    assert calls_made(tmp_path) <= CALLS + 1


def test_lost_frames_are_decoded_again(whole: Trajectory, clip: Path, tmp_path: Path) -> None:
    assert in_new_process(tmp_path, clip, event="before policy", number=3) is None
    shutil.rmtree(tmp_path / "run" / "frames")
    result = in_new_process(tmp_path)
    assert result is not None
    assert result["answer"] == "yellow"
    assert lasting(record_of(tmp_path)) == lasting(whole)


@pytest.mark.parametrize("replaced", [False, True])
def test_lost_frames_of_a_lost_video(replaced: bool, tmp_path: Path) -> None:
    video = make_clip(tmp_path / "talk.mp4", seconds=8, size=(112, 84), fps=5)
    assert in_new_process(tmp_path, video, event="before policy", number=3) is None
    shutil.rmtree(tmp_path / "run" / "frames")
    video.unlink()
    if replaced:
        make_clip(video, seconds=8, size=(112, 84), fps=10)
    result = in_new_process(tmp_path)
    assert result is not None
    assert "talk.mp4" in result["error"]
    assert "\n" not in result["error"]


def test_another_video_in_the_place_of_the_first(tmp_path: Path) -> None:
    video = make_clip(tmp_path / "talk.mp4", seconds=8, size=(112, 84), fps=5)
    assert in_new_process(tmp_path, video, event="after policy", number=2) is None
    kept = video.rename(tmp_path / "kept.mp4")
    make_clip(video, seconds=8, size=(112, 84), fps=10)
    refused = in_new_process(tmp_path)
    assert refused is not None
    assert "talk.mp4 is not the video that this episode began with" in refused["error"]
    kept.replace(video)
    resumed = in_new_process(tmp_path)
    assert resumed is not None
    assert resumed["answer"] == "yellow"


def test_asked_something_else_after_dying(clip: Path, tmp_path: Path) -> None:
    """Wherever the first episode broke off, the second one begins from nothing."""
    for number in (3, 5, 6):
        folder = tmp_path / str(number)
        folder.mkdir()
        assert in_new_process(folder, clip, event="checkpoint", number=number) is None
        result = in_new_process(folder, clip, question="And what is shown at 3?")
        assert result is not None
        assert result["answer"] == "yellow"
        record = record_of(folder)
        assert record.question == "And what is shown at 3?"
        assert len(record.turns) == CALLS
        assert len({message["id"] for message in record.messages}) == 2 + 2 + 2 + 1
        assert len(list((folder / "run" / "journal").iterdir())) == 2
