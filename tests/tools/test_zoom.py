"""`zoom` shows the region asked for, at the source's full detail, and says what it changed."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from dialect_parts import video_info
from hypothesis import given
from hypothesis import strategies as st
from numbered_video import Clip, Recipe, number_of, render

from eva_graph_tools import (
    FrameRef,
    FrameStore,
    InvalidArguments,
    PreparedLook,
    Video,
    VisualGrid,
    execute,
    prepare,
    restore,
)
from eva_graph_tools.zoom import whole_patches

Clips = Callable[[str], Clip]
GRID = VisualGrid(patch_pixels=4, min_pixels=64)
INFO = video_info(duration_seconds=143.2, average_fps=25.0)
LEFT_HALF_OF_BARS = [0, 0, 0.5, 0.5]


def look(arguments: dict[str, Any], budget: int = 12_000) -> PreparedLook:
    return prepare("zoom", arguments, info=INFO, grid=VisualGrid(), look_budget=budget)


@pytest.fixture
def video(clip: Clips) -> Iterator[Video]:
    with Video.open(clip("long").path) as opened:
        yield opened


def zoomed(video: Video, **arguments: Any) -> list[Any]:
    prepared = prepare("zoom", arguments, info=video.info, grid=GRID, look_budget=12_000)
    return list(execute(video, prepared).frames)


def test_a_region_is_the_frames_own_pixels(video: Video) -> None:
    whole = video.seek(7.3).to_numpy()
    (frame,) = zoomed(video, time=7.3, box=[0.25, 0.125, 0.75, 0.625])
    assert frame.box == (0.25, 0.125, 0.75, 0.625)
    assert frame.pts_seconds == pytest.approx(7.3)
    np.testing.assert_array_equal(frame.to_numpy(), whole[12:60, 40:120])


def test_a_range_is_exact_even_where_an_overview_would_be_snapped(video: Video) -> None:
    frames = zoomed(video, start_time=1, end_time="00:19", nframes=4, box=[0, 0, 1, 0.5])
    assert [frame.pts_seconds for frame in frames] == pytest.approx([1.0, 7.0, 12.9, 18.9], abs=0.1)
    assert not any(frame.snapped for frame in frames)
    for frame in frames:
        doubled = np.repeat(frame.to_numpy(), 2, axis=0)
        assert number_of(doubled) == round(frame.pts_seconds * 10)


def test_a_turned_picture_is_cut_as_displayed(tmp_path: Path) -> None:
    recipe = Recipe(suffix="mp4", ticks=tuple(range(12)), rotate_degrees=-90, stored_turns=1)
    with Video.open(render(tmp_path / "turned.mp4", recipe).path) as video:
        assert (video.info.width, video.info.height) == (160, 96)
        whole = video.seek(0.2).to_numpy()
        part = video.zoom(0.2, (0.1, 0.25, 0.9, 0.75)).to_numpy()
    np.testing.assert_array_equal(part, whole[24:72, 16:144])


def test_tiny_boxes_are_grown_around_their_centre_and_reported() -> None:
    prepared = look({"time": 3, "box": [0.5, 0.5, 0.51, 0.51]})
    x0, y0, x1, y1 = prepared.applied["box"]
    assert ((x1 - x0) * 1280, (y1 - y0) * 720) == pytest.approx((56, 56))
    assert ((x0 + x1) / 2, (y0 + y1) / 2) == pytest.approx((0.505, 0.505), abs=1e-3)
    assert prepared.notes == (
        "box was grown to [0.483, 0.467, 0.527, 0.544], 56x56 pixels of the picture",
    )
    assert prepared.estimated_visual_tokens == 4


def test_a_box_at_the_edge_is_moved_inside() -> None:
    assert look({"time": 3, "box": [0.99, 0.99, 1, 1]}).applied["box"] == pytest.approx(
        [1 - 56 / 1280, 1 - 56 / 720, 1, 1]
    )


def test_swapped_corners_and_a_little_outside_are_mended_and_reported() -> None:
    prepared = look({"time": 3, "box": [1.1, 0.7, 0.475, -0.05]})
    assert prepared.notes[0] == "box [1.1, 0.7, 0.475, -0.05] was read as [0.475, 0, 1, 0.7]"
    assert prepared.applied["box"] == pytest.approx([0.475, 0, 1, 0.7])


@pytest.mark.parametrize(
    ("box", "message"),
    [
        ([100, 50, 640, 360], "fractions of the picture from 0 to 1, not pixels or thousandths"),
        ([0, 0, 1000, 1000], "not pixels or thousandths"),
        ([0, 0, 10**400, 1], "not pixels or thousandths"),
        ([0.1, 0.2, 0.3], "give four numbers"),
        ([0.1, 0.2, 0.3, True], "give four numbers"),
        (["0", "0", "1", "1"], "give four numbers"),
        ({"x0": 0}, "give four numbers"),
        ([0, 0, float("nan"), 1], "fractions"),
        (None, "give four numbers"),
    ],
)
def test_a_box_that_is_none_is_told_in_one_line(box: Any, message: str) -> None:
    with pytest.raises(InvalidArguments, match=message) as caught:
        look({"time": 3, "box": box})
    assert str(caught.value).startswith("zoom: box: ")
    assert len(str(caught.value)) < 400


@pytest.mark.parametrize(
    "times",
    [
        {},
        {"time": 3, "start_time": 1, "end_time": 2, "nframes": 2},
        {"time": 3, "nframes": 2},
        {"start_time": 1, "end_time": 2},
    ],
)
def test_exactly_one_form_of_time_is_given(times: dict[str, Any]) -> None:
    with pytest.raises(InvalidArguments) as caught:
        look({"box": LEFT_HALF_OF_BARS, **times})
    either = "either time or start_time + end_time + nframes"
    assert str(caught.value) == (
        f"zoom: give {either}. Arguments: {either}, box, resize (optional)"
    )


def test_null_is_the_same_as_left_out() -> None:
    asked = {"time": 3, "start_time": None, "end_time": None, "nframes": None}
    prepared = look({"box": LEFT_HALF_OF_BARS, **asked})
    assert set(prepared.applied) == {"box", "time", "resize"}


def test_a_budget_shrinks_the_region_and_says_so() -> None:
    prepared = look({"start_time": 0, "end_time": 9, "nframes": 9, "box": [0, 0, 0.5, 0.5]}, 600)
    assert prepared.estimated_visual_tokens <= 600
    assert prepared.applied["resize"] < 1
    assert "to fit 600 visual tokens" in prepared.notes[-1]


def test_times_are_clamped_like_those_of_other_tools() -> None:
    assert look({"time": 999, "box": [0, 0, 1, 1]}).notes[0] == "time 999 was clamped to 143.2"
    with pytest.raises(InvalidArguments, match="zoom: the range 200 to 300 is outside the video"):
        look({"start_time": 200, "end_time": 300, "nframes": 2, "box": [0, 0, 1, 1]})


def test_a_lost_region_is_made_again(video: Video, tmp_path: Path) -> None:
    store = FrameStore(tmp_path)
    (frame,) = zoomed(video, time=5, box=[0.3, 0.31, 0.33, 0.4])
    ref = store.put(frame, video.video_id)
    data = store.path(ref).read_bytes()
    store.path(ref).unlink()
    assert restore(store, FrameRef.from_json(ref.to_json()), video) == data


SIDES = st.floats(0, 1)


@given(
    st.tuples(SIDES, SIDES, SIDES, SIDES),
    st.integers(1, 4000),
    st.integers(1, 4000),
    st.sampled_from([4, 14, 28, 32]),
)
def test_boxes_grow_to_whole_patches_inside_the_picture(
    corners: tuple[float, float, float, float], width: int, height: int, patch: int
) -> None:
    info = replace(INFO, width=width, height=height)
    grid = VisualGrid(patch_pixels=patch, min_pixels=4 * patch**2)
    x0, x1 = sorted(corners[::2])
    y0, y1 = sorted(corners[1::2])
    box = whole_patches((x0, y0, x1, y1), info, grid)
    assert 0 <= box[0] < box[2] <= 1
    assert 0 <= box[1] < box[3] <= 1
    assert whole_patches(box, info, grid) == pytest.approx(box, abs=1e-9)
    for low, high, asked, side in (
        (box[0], box[2], (x0, x1), width),
        (box[1], box[3], (y0, y1), height),
    ):
        length = (high - low) * side
        patches = length / patch
        assert length == pytest.approx(side) or patches == pytest.approx(round(patches), abs=1e-6)
        assert length >= min(side, 2 * patch) - 1e-6
        assert low * side <= asked[0] * side + 0.51
        assert high * side >= asked[1] * side - 0.51
