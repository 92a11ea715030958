"""A call's way through the tools: read, clamp, fit, estimate, decode."""

import dataclasses
import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from dialect_parts import video_info
from hypothesis import given
from hypothesis import strategies as st
from numbered_video import Clip, number_of

import eva_graph_tools
from eva_graph_tools import (
    TOOLS,
    EvaGraphError,
    InvalidArguments,
    PreparedLook,
    Video,
    VisualGrid,
    execute,
    prepare,
)

Clips = Callable[[str], Clip]
GRID = VisualGrid(patch_pixels=4, min_pixels=64)
INFO = video_info(duration_seconds=143.2, average_fps=25.0)


def look(tool: str, arguments: dict[str, Any], budget: int = 12_000) -> PreparedLook:
    return prepare(tool, arguments, info=INFO, grid=VisualGrid(), look_budget=budget)


@pytest.fixture
def video(clip: Clips) -> Iterator[Video]:
    with Video.open(clip("long").path) as opened:
        yield opened


def test_a_plain_call_runs_as_written() -> None:
    asked = {"start_time": 0, "end_time": 143, "nframes": 12, "resize": 0.25}
    prepared = look("frame_select", asked)
    assert prepared.requested == asked
    assert prepared.applied == asked
    assert prepared.notes == ()
    assert prepared.estimated_visual_tokens == 12 * 66
    json.dumps(prepared.applied)


def test_clock_times_and_null_resize_are_read() -> None:
    asked = {"start_time": "01:00", "end_time": "00:02:00.500", "nframes": 4, "resize": None}
    assert look("frame_select", asked).applied == {
        "start_time": 60.0,
        "end_time": 120.5,
        "nframes": 4,
        "resize": 1.0,
    }
    assert look("seek", {"time": "72.5"}).applied == {"time": 72.5, "resize": 1.0}


def test_what_lies_outside_is_clamped_and_reported() -> None:
    prepared = look(
        "frame_select", {"start_time": -3, "end_time": 900, "nframes": 2, "resize": 4}, 10**6
    )
    assert prepared.applied == {"start_time": 0, "end_time": 143.2, "nframes": 2, "resize": 1.0}
    assert prepared.notes == (
        "start_time -3 was clamped to 0",
        "end_time 900 was clamped to 143.2",
        "resize 4 was clamped to 1, the video's full detail",
    )
    many = look("frame_select", {"start_time": 0, "end_time": 9, "nframes": 10**400}, 10**9)
    assert many.applied["nframes"] == 3580
    assert look("seek", {"time": 1000}).notes == ("time 1000 was clamped to 143.2",)


def test_a_look_over_budget_is_reduced_and_reported() -> None:
    prepared = look("frame_select", {"start_time": 0, "end_time": 60, "nframes": 50})
    assert prepared.notes == ("reduced to 29 frames at resize 0.5854 to fit 12000 visual tokens",)
    assert prepared.estimated_visual_tokens <= 12_000
    single = look("seek", {"time": 3}, 500)
    assert single.estimated_visual_tokens <= 500
    assert "to fit 500 visual tokens" in single.notes[0]
    with pytest.raises(InvalidArguments, match="do not pay for even the smallest frame"):
        look("seek", {"time": 3}, 3)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({}, "start_time is missing; end_time is missing; nframes is missing"),
        ({"start_time": 1, "end_time": 2, "nframes": 0}, "nframes: input should be greater than"),
        ({"start_time": 1, "end_time": 2, "nframes": 1.5}, "nframes: input should be a valid int"),
        ({"start_time": "x", "end_time": 2, "nframes": 2}, "start_time: 'x' is not a time"),
        ({"start_time": 1, "end_time": 1e999, "nframes": 2}, "end_time: inf is not a time"),
        ({"start_time": 1, "end_time": 2, "nframes": 2, "resize": 0}, "resize: input should be"),
        ({"start_time": 1, "end_time": 2, "nframes": 2, "fps": 1}, "fps is not an argument"),
        ({"start_time": 9, "end_time": 3, "nframes": 2}, "end_time must be after start_time"),
        ({"start_time": 9, "end_time": 9, "nframes": 2}, "end_time must be after start_time"),
        ({"start_time": 200, "end_time": 300, "nframes": 1}, "outside the video, which has 143.2"),
        ({"start_time": -5, "end_time": -2, "nframes": 1}, "outside the video"),
    ],
)
def test_unusable_arguments_are_one_line_for_the_policy(
    arguments: dict[str, Any], message: str
) -> None:
    with pytest.raises(InvalidArguments, match=message) as caught:
        look("frame_select", arguments)
    assert "\n" not in str(caught.value)
    assert str(caught.value).startswith("frame_select: ")


def test_an_unknown_tool_names_those_there_are() -> None:
    with pytest.raises(InvalidArguments, match="no tool 'zap', use frame_select, seek, zoom"):
        look("zap", {})


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner),
    max_leaves=4,
)
NAMES = st.sampled_from(["start_time", "end_time", "nframes", "resize", "time", "fps"])


@given(
    st.sampled_from(sorted(TOOLS)),
    st.dictionaries(NAMES, JSON | st.floats(0, 200) | st.integers(1, 99)),
    st.integers(-1, 20_000),
)
def test_nothing_that_a_policy_writes_raises_anything_else(
    tool: str, arguments: dict[str, Any], budget: int
) -> None:
    try:
        prepared = look(tool, arguments, budget)
    except InvalidArguments as error:
        assert str(error)  # noqa: PT017 - either outcome is fine
        return
    assert 0 < prepared.estimated_visual_tokens <= budget
    assert json.loads(json.dumps(prepared.applied)) == prepared.applied


@given(st.floats(0, 20), st.floats(0.1, 20), st.integers(1, 30), st.floats(0.05, 1.0))
def test_the_estimate_is_what_is_spent(
    clip: Clips, start: float, span: float, nframes: int, resize: float
) -> None:
    with Video.open(clip("long").path) as video:
        asked = {"start_time": start, "end_time": start + span, "nframes": nframes}
        try:
            prepared = prepare(
                "frame_select", {**asked, "resize": resize}, info=video.info, grid=GRID,
                look_budget=3000,
            )  # fmt: skip
        except InvalidArguments:
            assert start >= 20 - 1e-3
            return
        frames = execute(video, prepared).frames
    spent = sum(GRID.visual_tokens(frame.width, frame.height) for frame in frames)
    per_frame = prepared.estimated_visual_tokens // prepared.applied["nframes"]
    assert spent == per_frame * len(frames) <= prepared.estimated_visual_tokens <= 3000
    for frame in frames:
        assert GRID.final_size(frame.width, frame.height, 1.0) == (frame.width, frame.height)


def test_tools_show_what_they_were_asked_for(video: Video) -> None:
    arguments = {"start_time": "00:03", "end_time": "00:04", "nframes": 3, "resize": 0.5}
    prepared = prepare("frame_select", arguments, info=video.info, grid=GRID, look_budget=12_000)
    frames = execute(video, prepared).frames
    assert [number_of(frame.to_numpy()) for frame in frames] == [30, 34, 39]
    assert {(frame.width, frame.height) for frame in frames} == {(80, 48)}
    prepared = prepare("seek", {"time": 99}, info=video.info, grid=GRID, look_budget=12_000)
    (last,) = execute(video, prepared).frames
    assert number_of(last.to_numpy()) == 199


def test_schemas_are_what_native_tool_calls_need() -> None:
    schema = TOOLS["frame_select"].json_schema()
    assert schema["required"] == ["start_time", "end_time", "nframes"]
    assert schema["additionalProperties"] is False
    assert list(schema["properties"]) == ["start_time", "end_time", "nframes", "resize"]
    assert schema["properties"]["resize"]["default"] == 1.0
    for tool in TOOLS.values():
        assert tool.description
        assert all(field["description"] for field in tool.json_schema()["properties"].values())
        json.dumps(tool.json_schema())


def test_a_new_tool_needs_only_an_entry(video: Video) -> None:
    seek = TOOLS["seek"]
    tools = {"peek": dataclasses.replace(seek, name="peek")}
    prepared = prepare(
        "peek", {"time": 1}, info=video.info, grid=GRID, look_budget=12_000, tools=tools
    )
    assert number_of(execute(video, prepared).frames[0].to_numpy()) == 10


def test_the_public_names_are_sorted_and_there() -> None:
    names = eva_graph_tools.__all__
    assert names == sorted(names, key=lambda name: (not name.isupper(), name))
    assert all(hasattr(eva_graph_tools, name) for name in names)


def test_importing_the_tools_loads_neither_torch_nor_langgraph() -> None:
    program = (
        "import sys, eva_graph_tools; print(sorted({m.partition('.')[0] for m in sys.modules}))"
    )
    loaded = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    ).stdout
    for name in ("torch", "langgraph", "langchain_core", "transformers", "moviepy", "eva_graph'"):
        assert f"'{name}" not in loaded


def test_errors_are_always_one_line() -> None:
    assert str(EvaGraphError("a\n  b\tc")) == "a b c"
