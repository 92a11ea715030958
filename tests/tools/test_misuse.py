"""What callers do wrong or change underneath: one clear line, never another file's frames."""

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from numbered_video import Clip, number_of

from eva_graph_tools import (
    DecodeError,
    DecodeTimeout,
    InvalidArguments,
    StoreError,
    Video,
    VisualGrid,
    prepare,
)

Clips = Callable[[str], Clip]
SUBTITLE = "1\n00:00:01,000 --> 00:00:02,000\nhello\n"


@pytest.mark.parametrize("isolated", [False, True])
@pytest.mark.parametrize("another", ["long_sparse_keys", None])
def test_nothing_is_taken_from_a_file_in_the_place_of_the_one_opened(
    another: str | None, isolated: bool, clip: Clips, tmp_path: Path
) -> None:
    path, target = tmp_path / "a.mp4", tmp_path / "cut.mp4"
    path.write_bytes(clip("long").path.read_bytes())
    with Video.open(path, isolated=isolated) as video:
        if another is None:
            path.unlink()
        else:
            (tmp_path / "b.mp4").write_bytes(clip(another).path.read_bytes())
            (tmp_path / "b.mp4").replace(path)
        for take in (
            partial(video.cut, 0, 5, target),
            partial(video.cut, 0, 5, target, exact=True),
            partial(video.scenes, tier="full"),
        ):
            with pytest.raises(DecodeError, match="changed while it was open"):
                take()
    assert not target.exists()


def test_a_closed_video_is_not_cut(clip: Clips, tmp_path: Path) -> None:
    video = Video.open(clip("long").path)
    video.close()
    with pytest.raises(DecodeError, match="the video is closed"):
        video.cut(0, 5, tmp_path / "cut.mp4")
    assert not list(tmp_path.iterdir())


def test_another_working_directory_changes_nothing(
    clip: Clips, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "a.mp4").write_bytes(clip("long").path.read_bytes())
    (tmp_path / "given.srt").write_text(SUBTITLE)
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path)
    with Video.open("a.mp4", subtitles="given.srt") as video:
        monkeypatch.chdir(tmp_path / "elsewhere")
        assert video.path == tmp_path / "a.mp4"
        assert [cue.text for cue in video.transcript().cues] == ["hello"]
        video.cut(0, 5, "cut.mp4")
    assert [path.name for path in (tmp_path / "elsewhere").iterdir()] == ["cut.mp4"]


@pytest.mark.parametrize("seconds", [0, -1.0, float("nan")])
def test_a_timeout_of_nothing_is_refused(seconds: float, clip: Clips) -> None:
    for isolated in (False, True):
        with pytest.raises(InvalidArguments, match="timeout_seconds must be positive"):
            Video.open(clip("long").path, isolated=isolated, timeout_seconds=seconds)


@pytest.mark.parametrize("isolated", [False, True])
def test_timeouts_may_be_tiny_and_endless(isolated: bool, clip: Clips) -> None:
    with Video.open(clip("long").path, isolated=isolated) as video:
        with pytest.raises(DecodeTimeout):
            video.seek(5, timeout_seconds=1e-9)
        for seconds in (1e30, float("inf")):
            assert number_of(video.seek(5, timeout_seconds=seconds).to_numpy()) == 50


@pytest.mark.parametrize(
    ("method", "arguments", "said"),
    [
        ("frames_at", {"times_seconds": [3], "mode": "fast"}, "no mode 'fast', use exact or key"),
        (
            "frame_select",
            {"start_seconds": 0, "end_seconds": 9, "nframes": 2, "mode": "key"},
            "no mode 'key', use auto or exact",
        ),
        ("scenes", {"tier": "fast"}, "no tier 'fast', use auto, index, key, full"),
        ("seek", {"time_seconds": 3, "size": (16_384, 16_384)}, "at most 67108864 in all"),
        ("cut", {"start_seconds": 0, "end_seconds": 1, "path": "a\0.mp4"}, "null character"),
    ],
)
def test_what_means_nothing_is_refused(
    method: str, arguments: dict[str, Any], said: str, clip: Clips
) -> None:
    with Video.open(clip("long").path) as video, pytest.raises(InvalidArguments, match=said):
        getattr(video, method)(**arguments)


def test_a_name_that_no_file_can_have_is_told(clip: Clips, tmp_path: Path) -> None:
    with Video.open(clip("long").path) as video, pytest.raises(StoreError, match="too long"):
        video.cut(0, 5, tmp_path / f"{'x' * 300}.mp4")


@pytest.mark.parametrize(
    ("tool", "arguments", "told"),
    [
        ("frame_select", {"start_time": 0, "end_time": 500, "nframes": 4}, True),
        ("frame_select", {"start_time": 0, "end_time": 5, "nframes": 4}, False),
        ("seek", {"time": "00:59"}, True),
        ("seek", {"time": 3}, False),
    ],
)
def test_a_look_behind_the_damage_is_told_why_it_shows_nothing(
    tool: str, arguments: dict[str, Any], told: bool, clip: Clips
) -> None:
    with Video.open(clip("long").path) as video:
        info = replace(video.info, damaged_after_seconds=video.info.duration_seconds)
    look = prepare(tool, arguments, info=info, grid=VisualGrid(), look_budget=2_000)
    note = "the file is damaged: nothing after 20 seconds can be shown"
    assert (note in look.notes) is told
    whole = replace(info, damaged_after_seconds=None)
    sound = prepare(tool, arguments, info=whole, grid=VisualGrid(), look_budget=2_000)
    assert note not in sound.notes


def test_an_absurd_time_does_not_fill_the_context(clip: Clips) -> None:
    with Video.open(clip("long").path) as video, pytest.raises(InvalidArguments) as caught:
        prepare(
            "clip",
            {"start_time": 1e307, "end_time": 1e308},
            info=video.info,
            grid=VisualGrid(),
            look_budget=2_000,
        )
    assert "1e+307 to 1e+308" in str(caught.value)
