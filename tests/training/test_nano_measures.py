"""What stands around the training: SFT rows from records, altered frames, intervals."""

import io
import shutil

import numpy as np
import pytest
from PIL import Image

from eva_graph.errors import TrajectoryError
from eva_graph.testing import ScriptedPolicy
from eva_graph_tools import FrameStore, Video
from eva_graph_training.dataset import sft_dataset
from eva_graph_training.nano.altered import OtherVideos, blanked
from eva_graph_training.nano.evaluate import ask_all, table, uniform_tokens, wilson_interval
from eva_graph_training.nano.play import play
from eva_graph_training.world.render import render
from eva_graph_training.world.schedule import make_world
from eva_graph_training.world.sets import WorldSetPlan

PLAN = WorldSetPlan(first_seed=70, short_videos=2, long_videos=0, events_per_short=1)


@pytest.fixture(scope="module")
def played(tmp_path_factory):
    folder = tmp_path_factory.mktemp("measured")
    play(PLAN, videos=folder / "videos", run=folder / "run")
    return folder


def test_rows_hold_the_transcript_and_the_stored_files(played) -> None:
    rows = sft_dataset([played / "run"])
    assert len(rows) == 4
    for row in rows:
        assert row["images"] == []
        assert [message["role"] for message in row["messages"][:3]] == [
            "system",
            "user",
            "assistant",
        ]
        parts = [part for message in row["messages"] for part in message["content"]]
        assert all(("image" in part) == (part["type"] == "image") for part in parts)
        files = [part["image"] for part in parts if part["type"] == "image"]
        assert files
        assert {size_of(file) for file in files} <= {(56, 56), (112, 112), (224, 224)}


def size_of(file: str) -> tuple[int, int]:
    with Image.open(file) as image:
        return image.size


def test_a_frame_that_is_gone_stops_the_export(played, tmp_path) -> None:
    shutil.copytree(played / "run" / "records", tmp_path / "records")
    with pytest.raises(TrajectoryError, match="missing_frame"):
        sft_dataset([tmp_path])


def test_altered_frames_keep_their_size_and_show_something_else(tmp_path) -> None:
    for seed in (1, 2):
        render(make_world(seed, 60), tmp_path / f"{seed}.mp4")
    store = FrameStore(tmp_path / "frames")
    with Video.open(tmp_path / "1.mp4") as video:
        ref = store.put(video.seek(30, resize=0.5), video.video_id)
        others = OtherVideos({video.video_id: tmp_path / "2.mp4"})
    with Video.open(tmp_path / "2.mp4") as other:
        expected = other.seek(30, resize=0.5).to_numpy().astype(int)
    grey, shown = (np.asarray(Image.open(io.BytesIO(data))) for data in (blanked(ref), others(ref)))
    assert grey.shape == shown.shape == (112, 112, 3)
    assert np.ptp(grey) == 0
    assert np.abs(shown.astype(int) - expected).mean() < 3


def test_every_question_is_asked_and_counted_once(played) -> None:
    policy = ScriptedPolicy(["<answer>K</answer>"])
    for _ in range(2):
        outcomes = ask_all(
            policy, PLAN, videos=played / "videos", run=played / "asked", frames="true"
        )
    assert len(outcomes) == len(policy.requests) == 4
    assert {one.visual_tokens for one in outcomes} == {0}
    lines = table([("true", outcomes)]).splitlines()
    assert [line.split()[:4] for line in lines[1:]] == [
        ["true", "all", "questions", "4"],
        ["true", "time", "questions", "2"],
        ["true", "event", "questions", "2"],
    ]


def test_intervals_and_the_uniform_yardstick() -> None:
    low, high = wilson_interval(8, 10)
    assert (low, high) == pytest.approx((0.4902, 0.9433), abs=1e-4)
    assert wilson_interval(0, 10)[0] == pytest.approx(0, abs=1e-12)
    assert uniform_tokens(120) == 60 * 16
