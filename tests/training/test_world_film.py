"""The files of the grown-up world show what their plots say."""

from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from eva_graph_tools import Video
from eva_graph_training.world.dials import HARD, NORMAL
from eva_graph_training.world.drawing import draw, fading
from eva_graph_training.world.filming import KEY_SECONDS, WORLD_COMMENT, film, frame_numbers
from eva_graph_training.world.plot import Plot
from eva_graph_training.world.plotting import make_plot

FADING = replace(NORMAL, fade_share=1.0, sparse_share=1.0, subtitled_share=1.0)
"""Every scene fades in, frames are missing, there are subtitles."""


@pytest.fixture(scope="module")
def plot() -> Plot:
    return make_plot(4, 60, FADING)


@pytest.fixture(scope="module")
def path(plot: Plot, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("film") / "world.mp4"
    film(plot, path)
    return path


def test_equal_plots_give_equal_files(plot: Plot, path: Path, tmp_path: Path) -> None:
    film(plot, tmp_path / "again.mp4")
    for suffix in (".mp4", ".srt"):
        again = (tmp_path / "again.mp4").with_suffix(suffix)
        assert again.read_bytes() == path.with_suffix(suffix).read_bytes()


def test_a_file_says_what_it_is(plot: Plot, path: Path) -> None:
    with Video.open(path) as video:
        info = video.info
    assert (info.codec, info.width, info.height, info.comment) == ("h264", 224, 224, WORLD_COMMENT)
    assert info.duration_seconds == plot.duration_seconds
    assert info.frame_count == len(list(frame_numbers(plot))) < 10 * plot.duration_seconds


def test_frames_show_their_moment_and_lack_none_that_begins_a_second(
    plot: Plot, path: Path
) -> None:
    numbers = list(frame_numbers(plot))
    assert set(range(0, 600, 10)) <= set(numbers)
    assert max(later - earlier for earlier, later in pairwise(numbers)) > 2
    with Video.open(path) as video:
        frames = video.frames_at([number / 10 + 0.001 for number in numbers[::7]])
    assert [round(frame.pts_seconds * 10) for frame in frames] == numbers[::7]
    assert any(fading(plot, frame.pts_seconds) for frame in frames)
    for frame in frames:
        expected = draw(plot, frame.pts_seconds + 1e-6).astype(int)
        assert np.abs(frame.to_numpy().astype(int) - expected).mean() < 4


def test_key_frames_come_every_two_seconds_whatever_is_missing(path: Path) -> None:
    with Video.open(path) as video:
        frames = video.frame_select(0, 60, nframes=12, mode="auto")
    assert all(frame.pts_seconds % KEY_SECONDS == 0 for frame in frames)


def test_the_subtitles_are_the_lines(plot: Plot, path: Path) -> None:
    with Video.open(path) as video:
        cues = video.transcript().between(0, 60)
    assert [cue.text for cue in cues] == [line.text for line in plot.lines]
    assert [cue.start_seconds for cue in cues] == [line.start_seconds for line in plot.lines]


@pytest.mark.parametrize("dials", [FADING, HARD])
def test_scene_detection_finds_the_scenes_where_no_border_changes(dials, tmp_path: Path) -> None:
    plot = replace(make_plot(5, 90, dials), events=())
    film(plot, tmp_path / "world.mp4")
    with Video.open(tmp_path / "world.mp4") as video:
        found = [scene.start_seconds for scene in video.scenes(0, None)]
    assert len(found) == len(plot.scenes) >= 3
    for scene, start in zip(plot.scenes, found, strict=True):
        assert scene.start_seconds <= start < scene.start_seconds + 1
