"""`clip` makes a file of a range, says what it holds and shows a little of it."""

import threading
from collections.abc import Callable, Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import pytest
from numbered_video import Clip, Recipe, number_of, render

from eva_graph_tools import (
    DecodeError,
    DecodeTimeout,
    InvalidArguments,
    PreparedLook,
    ToolError,
    ToolOutput,
    Video,
    VideoInfo,
    VisualGrid,
    execute,
    prepare,
)
from eva_graph_tools import clip as clip_tool
from eva_graph_tools.isolation import open_isolated

Clips = Callable[[str], Clip]
GRID = VisualGrid(patch_pixels=4, min_pixels=64)


@pytest.fixture
def video(clip: Clips) -> Iterator[Video]:
    with Video.open(clip("long").path) as opened:
        yield opened


def look(info: VideoInfo, arguments: dict[str, Any], budget: int = 12_000) -> PreparedLook:
    return prepare("clip", arguments, info=info, grid=GRID, look_budget=budget)


def made(video: Video, folder: Path, **arguments: Any) -> ToolOutput:
    prepared = look(video.info, arguments)
    output = execute(video, prepared, artifacts=folder)
    spent = sum(GRID.visual_tokens(frame.width, frame.height) for frame in output.frames)
    assert spent <= prepared.estimated_visual_tokens
    return output


def test_a_clip_is_a_file_its_real_bounds_and_a_few_frames(video: Video, tmp_path: Path) -> None:
    output = made(video, tmp_path / "clips", start_time="00:06", end_time=9)
    (artifact,) = output.artifacts
    assert artifact.path.parent == tmp_path / "clips"
    assert artifact.media_type == "video/mp4"
    assert (artifact.start_seconds, artifact.end_seconds) == pytest.approx((5.0, 9.1), abs=0.31)
    assert artifact.start_seconds == 5.0
    size = artifact.path.stat().st_size / 1e6
    assert output.text == (
        f"clip of 5 to {artifact.end_seconds:g} seconds written (mp4, {size:.1f} MB)"
    )
    assert str(tmp_path) not in output.text
    with Video.open(artifact.path) as cut:
        numbers = [number_of(f.to_numpy()) for f in cut.frames_at(cut.frame_times_seconds)]
    assert numbers == list(range(50, round(artifact.end_seconds * 10)))
    shown = [number_of(frame.to_numpy()) for frame in output.frames]
    assert len(shown) == 4
    assert set(shown) <= set(numbers)
    for frame in output.frames:
        assert number_of(frame.to_numpy()) == round(frame.pts_seconds * 10)


def test_the_same_clip_again_takes_no_more_room(video: Video, tmp_path: Path) -> None:
    first = made(video, tmp_path, start_time=1, end_time=2).artifacts
    assert made(video, tmp_path, start_time=1, end_time=2).artifacts == first
    made(video, tmp_path, start_time=1, end_time=3)
    assert len(list(tmp_path.iterdir())) == 2


@pytest.mark.parametrize(
    ("name", "suffix", "copied"),
    [("vp8_webm", ".mkv", True), ("h264_avi", ".mp4", False), ("gif", ".mp4", False)],
)
def test_every_codec_gets_a_clip(
    name: str, suffix: str, copied: bool, clip: Clips, tmp_path: Path
) -> None:
    with Video.open(clip(name).path) as video:
        (artifact,) = made(video, tmp_path, start_time=0.7, end_time=1.3).artifacts
    assert artifact.path.suffix == suffix
    assert (artifact.start_seconds < 0.7) == copied
    assert list(tmp_path.iterdir()) == [artifact.path]


def test_a_clip_has_a_longest_length(tmp_path: Path) -> None:
    recipe = Recipe(suffix="mp4", ticks=tuple(range(0, 1300, 100)), time_base=Fraction(1))
    source = render(tmp_path / "slow.mp4", recipe)
    with Video.open(source.path) as video:
        prepared = look(video.info, {"start_time": 10, "end_time": 1100})
    assert prepared.applied["end_time"] == 610
    assert prepared.notes == ("end_time was clamped to 610, a clip has at most 600 seconds",)


def test_pictures_are_few_and_small_and_fit_the_budget(video: Video) -> None:
    many = look(video.info, {"start_time": 0, "end_time": 9, "nframes": 50, "resize": 3})
    assert (many.applied["nframes"], many.applied["resize"]) == (4, 1)
    assert many.notes[0] == "nframes was clamped to 4"
    poor = look(video.info, {"start_time": 0, "end_time": 9}, budget=100)
    assert poor.estimated_visual_tokens <= 100
    assert "to fit 100 visual tokens" in poor.notes[-1]


def test_a_full_folder_takes_no_more(
    video: Video, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made(video, tmp_path, start_time=1, end_time=2)
    monkeypatch.setattr(clip_tool, "MAX_FOLDER_BYTES", 1000)
    with pytest.raises(ToolError, match="no more clips can be kept"):
        made(video, tmp_path, start_time=2, end_time=3)
    monkeypatch.setattr(clip_tool, "MAX_FOLDER_BYTES", 10**9)
    monkeypatch.setattr(clip_tool, "MAX_CLIP_BYTES", 1000)
    with pytest.raises(InvalidArguments, match="choose a shorter range"):
        made(video, tmp_path, start_time=2, end_time=3)
    assert len(list(tmp_path.iterdir())) == 1


def test_a_late_clip_leaves_nothing(video: Video, tmp_path: Path) -> None:
    prepared = look(video.info, {"start_time": 1, "end_time": 2})
    with pytest.raises(DecodeTimeout):
        execute(video, prepared, timeout_seconds=1e-9, artifacts=tmp_path)
    for thread in threading.enumerate():
        if thread.name == "eva-graph decoding":
            thread.join()
    assert list(tmp_path.iterdir()) == []


def test_without_a_folder_it_lies_in_one_of_the_process(video: Video) -> None:
    output = execute(video, look(video.info, {"start_time": 1, "end_time": 2}))
    folder = output.artifacts[0].path.parent
    assert folder.stat().st_mode & 0o077 == 0


@pytest.mark.parametrize("name", ["long", "gif"])
def test_a_worker_process_makes_it_as_well(name: str, clip: Clips, tmp_path: Path) -> None:
    with Video(open_isolated(clip(name).path)) as video:
        output = made(video, tmp_path, start_time=0.5, end_time=1)
    assert output.artifacts[0].path.is_file()
    assert output.frames


def test_a_damaged_range_gives_an_error_and_no_file(clip: Clips, tmp_path: Path) -> None:
    source = clip("long").path
    data = bytearray(source.read_bytes())
    with av.open(str(source)) as container:
        for packet in container.demux(video=0):
            if packet.pos is not None and packet.pts * packet.time_base >= 5:
                data[packet.pos : packet.pos + packet.size] = bytes(packet.size)
    damaged = tmp_path / "damaged.mp4"
    damaged.write_bytes(data)
    folder = tmp_path / "clips"
    with Video.open(damaged) as video:
        assert made(video, folder, start_time=1, end_time=2).frames
        with pytest.raises(DecodeError, match="the file is damaged there"):
            made(video, folder, start_time=15, end_time=16)
    assert len(list(folder.iterdir())) == 1
