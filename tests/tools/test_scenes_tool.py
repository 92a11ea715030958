"""`scene_detect` as a policy calls it."""

from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scene_clips import SceneClip, Shot, render

from eva_graph_tools import (
    TOOLS,
    DecodeTimeout,
    InvalidArguments,
    ToolOutput,
    Video,
    VisualGrid,
    execute,
    prepare,
)
from eva_graph_tools.registry import offered_tools
from eva_graph_tools.scene_detect import MAX_LINES, SCENE_DETECT, describe
from eva_graph_tools.scenes.scene_list import Scene, SceneList

CLIP = SceneClip(
    shots=[
        Shot(frames=40),
        Shot(frames=57, into="dissolve", over=21),
        Shot(frames=33),
        Shot(frames=71),
        Shot(frames=30),
    ],
    options={"g": "25", "sc_threshold": "0", "preset": "veryfast"},
)


@pytest.fixture(scope="session")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return render(tmp_path_factory.mktemp("scenes"), "clip", CLIP)


@pytest.fixture(autouse=True)
def _no_cache(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EVA_GRAPH_SCENE_CACHE", "")


@pytest.fixture(scope="session")
def call(path: Path) -> Callable[..., tuple[ToolOutput, int]]:
    grid = VisualGrid(patch_pixels=8, min_pixels=256)

    @cache
    def made(budget: int = 12_000, **arguments: Any) -> tuple[ToolOutput, int]:
        with Video.open(path) as video:
            look = prepare(
                "scene_detect", arguments, info=video.info, grid=grid, look_budget=budget
            )
            assert look.estimated_visual_tokens <= budget
            return execute(video, look), look.estimated_visual_tokens

    return made


def test_scenes_are_listed_with_a_frame_of_each(call: Callable[..., Any]) -> None:
    output, _ = call()
    first, *lines = output.text.split("\n")
    assert first == (
        "5 scenes, found by looking through the whole range. "
        "The frames show the middle of each scene."
    )
    assert lines[0] == "1. [00:00–00:01]"
    assert lines[2].endswith("after a dissolve")
    assert [line.partition(".")[0] for line in lines] == ["1", "2", "3", "4", "5"]
    assert len(output.frames) == 5
    assert len({frame.pixels.shape for frame in output.frames}) == 1


def test_frames_lie_in_their_scenes_and_edges_meet(call: Callable[..., Any]) -> None:
    output, _ = call()
    starts = [start / 25 for start in CLIP.starts]
    for frame, start, end in zip(output.frames, starts, [*starts[1:], 10.08], strict=True):
        assert start < frame.pts_seconds < end


def test_a_budget_shows_the_longest_scenes_and_is_kept(call: Callable[..., Any]) -> None:
    grid = VisualGrid(patch_pixels=8, min_pixels=256)
    output, estimated = call(budget=700)
    spent = sum(grid.visual_tokens(frame.width, frame.height) for frame in output.frames)
    assert 0 < spent <= estimated <= 700
    few, _ = call(nframes=2)
    assert "the 2 longest scenes" in few.text
    assert [round(frame.pts_seconds) for frame in few.frames] == [3, 7]
    assert few.text.count("\n") == 5
    one, _ = call(nframes=1)
    assert "the middle of the longest scene." in one.text


def test_a_range_and_a_threshold_are_followed(call: Callable[..., Any]) -> None:
    output, _ = call(start_time="00:05", end_time=8, threshold=200)
    assert output.text.startswith("1 scene, ")
    assert output.text.endswith("1. [00:05–00:08]")


@pytest.mark.parametrize(
    "arguments",
    [
        {"start_time": 5, "end_time": 5},
        {"start_time": 50, "end_time": 60},
        {"threshold": 0},
        {"threshold": 300},
        {"nframes": 0},
        {"video": "other.mp4"},
    ],
)
def test_what_makes_no_sense_is_refused(call: Callable[..., Any], arguments: Any) -> None:
    with pytest.raises(InvalidArguments):
        call(**arguments)


def test_a_late_look_says_so(path: Path) -> None:
    with Video.open(path) as video:
        look = prepare("scene_detect", {}, info=video.info, grid=VisualGrid(), look_budget=12_000)
        with pytest.raises(DecodeTimeout):
            execute(video, look, timeout_seconds=1e-4)


def test_it_is_offered_where_pyscenedetect_is_installed(path: Path) -> None:
    with Video.open(path) as video:
        assert "scene_detect" in offered_tools(TOOLS, video.info)


@given(lengths=st.lists(st.floats(0.4, 90), min_size=1, max_size=400), shown=st.integers(0, 24))
def test_text_is_bounded_and_names_every_scene(lengths: list[float], shown: int) -> None:
    edges = [sum(lengths[:at]) for at in range(len(lengths) + 1)]
    scenes = SceneList(
        scenes=tuple(
            Scene(
                start_seconds=edges[at],
                end_seconds=edges[at + 1],
                start_index=at,
                end_index=at + 1,
                begin="cut",
                sure=0.5,
            )
            for at in range(len(lengths))
        ),
        tier="index",
        threshold=27,
    )
    text = describe(scenes, min(shown, len(lengths)))
    lines = text.split("\n")[1:]
    assert len(lines) <= MAX_LINES
    assert lines[-1].partition(".")[0].rpartition("–")[2] == str(len(lengths))
    assert len(text) <= SCENE_DETECT.text_tokens
