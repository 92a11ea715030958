"""A reel plays the ranges in order, every frame the one on screen then, captions below."""

import importlib
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from numbered_video import Clip, Recipe, number_of, render

from eva_graph_tools import EvaGraphError, InvalidArguments, SeekOutOfRange, Video
from eva_graph_tools.reel import ReelPart, write_reel

Clips = Callable[[str], Clip]


@pytest.fixture
def video(clip: Clips) -> Iterator[Video]:
    with Video.open(clip("long").path) as opened:
        yield opened


def part(start: float, end: float, caption: str = "") -> ReelPart:
    return ReelPart(start_seconds=start, end_seconds=end, caption=caption)


def shown(path: Path) -> list[int]:
    with Video.open(path) as reel:
        return [number_of(f.to_numpy()) for f in reel.frames_at(reel.frame_times_seconds)]


def test_ranges_play_in_the_order_given(video: Video, tmp_path: Path) -> None:
    made = write_reel(video, [part(7, 8.5), part(1, 2)], tmp_path / "reel.mp4")
    assert shown(made) == [*range(70, 85), *range(10, 20)]
    assert list(tmp_path.iterdir()) == [made]


def test_an_instant_is_held_for_a_second(video: Video, tmp_path: Path) -> None:
    assert shown(write_reel(video, [part(19.95, 19.95)], tmp_path / "reel.mp4")) == [199] * 10


def test_captions_are_burnt_in_below(video: Video, tmp_path: Path) -> None:
    plain = write_reel(video, [part(3, 4)], tmp_path / "plain.mp4")
    text = "the number\u202e is\n\x00thirty"
    captioned = write_reel(video, [part(3, 4, text)], tmp_path / "captioned.mp4")
    with Video.open(plain) as one, Video.open(captioned) as other:
        difference = np.abs(one.seek(0.5).to_numpy().astype(int) - other.seek(0.5).to_numpy())
    assert difference[-20:].mean() > 10
    assert difference[:24].mean() < 2


@pytest.mark.parametrize(
    ("name", "recipe"),
    [
        ("turned", Recipe(suffix="mp4", rotate_degrees=-90, stored_turns=1)),
        ("variable", Recipe(suffix="mkv", ticks=(0, 1, 2, 10, 11, 30, 31, 32, 33, 34, 35, 60))),
    ],
)
def test_odd_sources_are_shown_as_players_show_them(
    name: str, recipe: Recipe, tmp_path: Path
) -> None:
    source = render(tmp_path / f"{name}.{recipe.suffix}", recipe)
    with Video.open(source.path) as video:
        made = write_reel(video, [part(0.2, 1.4)], tmp_path / "reel.mp4", max_height_pixels=80)
        fps = video.info.average_fps
    expected = [source.number_at(0.2 + k / fps) for k in range(round(1.2 * fps))]
    assert shown(made) == expected
    with Video.open(made) as reel:
        assert (reel.info.width, reel.info.height) == (134, 80)


@pytest.mark.parametrize(
    ("parts", "name", "error", "message"),
    [
        ([], "reel.mp4", InvalidArguments, "at least one part"),
        ([part(0, 1)], "reel.avi", InvalidArguments, "a reel is an mp4 file"),
        ([part(0, 1)], "none/reel.mp4", InvalidArguments, "no such folder"),
        ([part(0, 20)] * 60, "reel.mp4", InvalidArguments, "a reel at most 900 s"),
        ([part(0, float("nan"))], "reel.mp4", InvalidArguments, "a reel at most 900 s"),
        ([part(3, 2)], "reel.mp4", InvalidArguments, "before it starts"),
        ([part(30, 31)], "reel.mp4", SeekOutOfRange, "outside the video"),
    ],
)
def test_what_cannot_be_written_is_told_and_leaves_nothing(
    video: Video,
    tmp_path: Path,
    parts: list[ReelPart],
    name: str,
    error: type[EvaGraphError],
    message: str,
) -> None:
    with pytest.raises(error, match=message):
        write_reel(video, parts, tmp_path / name)
    assert list(tmp_path.iterdir()) == []


def test_nothing_is_overwritten_unasked(video: Video, tmp_path: Path) -> None:
    taken = tmp_path / "reel.mp4"
    taken.write_bytes(b"mine")
    with pytest.raises(InvalidArguments, match="exists already"):
        write_reel(video, [part(0, 1)], taken)
    assert taken.read_bytes() == b"mine"
    assert shown(write_reel(video, [part(0, 1)], taken, overwrite=True)) == list(range(10))


def test_without_moviepy_one_line_says_what_to_install(
    video: Video, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "moviepy", None)
    with pytest.raises(ImportError):
        importlib.import_module("moviepy")
    with pytest.raises(EvaGraphError, match=r"pip install 'eva-graph\[clips\]'"):
        write_reel(video, [part(0, 1)], tmp_path / "reel.mp4")


def test_moviepy_is_loaded_only_to_write_a_reel() -> None:
    program = "import sys, eva_graph_tools.reel; print('moviepy' in sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "False"
