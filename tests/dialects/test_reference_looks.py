"""The reference profile's budget, sizes, instants and labels, and the fate of odd arguments.

The expected values are what the harness's own functions gave for these arguments.
"""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from dialect_parts import put_within_budget, video_info

from eva_graph.dialects import ReferenceDialect
from eva_graph.dialects.harness import (
    harness_clock,
    harness_fit,
    harness_indices,
    harness_size,
    harness_times,
)
from eva_graph.dialects.reference import SampleLost
from eva_graph_tools import InvalidArguments

MISSING = object()


def arguments(**changed: Any) -> dict[str, Any]:
    given = {"start_time": 0, "end_time": 10, "nframes": 4, "resize": 0.5} | changed
    return {name: value for name, value in given.items() if value is not MISSING}


def fate(changed: dict[str, Any], look_budget: int = 12_000) -> str:
    try:
        put_within_budget(ReferenceDialect(), arguments(**changed), look_budget=look_budget)
    except SampleLost:
        return "lost"
    except InvalidArguments:
        return "failed"
    return "runs"


@pytest.mark.parametrize(
    ("size", "asked", "budget", "given"),
    [
        # (nframes, resize) -> (nframes, resize, estimated visual tokens)
        ((1280, 720), (12, 0.25), 12_000, (12, 0.25, 792)),
        ((1280, 720), (100, 0.1), 12_000, (100, 0.1, 1500)),
        ((1280, 720), (40, 0.5), 12_000, (40, 0.5, 11_960)),
        ((1280, 720), (100, 0.4), 12_000, (87, 0.3494, 12_528)),
        ((1280, 720), (50, 1.0), 12_000, (29, 0.5855, 11_745)),
        ((1280, 720), (50, 1.0), 32_000, (40, 0.8119, 31_080)),
        ((1920, 1080), (8, 1.0), 12_000, (8, 0.6667, 9568)),
        ((640, 360), (40, 3.0), 12_000, (40, 1.0, 11_960)),
        ((3840, 2160), (1, 1.0), 12_000, (1, 1.0, 10_549)),
        ((3840, 2160), (2, 1.0), 12_000, (2, 0.3333, 2392)),
        ((720, 1280), (100, 0.4), 12_000, (87, 0.3494, 12_528)),
        ((640, 360), (10, 0.1), 12_000, (10, 0.1, 20)),
        ((320, 240), (3, 0.01), 12_000, (3, 0.01, 3)),
        ((1280, 720), (13_000, 0.02), 12_000, (12_657, 0.0195, 12_657)),
        ((1280, 720), (3, 3.0), 12_000, (3, 1.0, 3588)),
        ((1280, 720), (1, 1.0), 100, (1, 0.4373, 220)),
    ],
)
def test_two_stage_reduction(
    size: tuple[int, int],
    asked: tuple[int, float],
    budget: int,
    given: tuple[int, float, int],
) -> None:
    nframes, resize, estimate = harness_fit(*asked, width=size[0], height=size[1], budget=budget)
    assert (nframes, round(resize, 4), estimate) == given


def test_the_budget_counts_the_coded_picture() -> None:
    rotated = video_info(size=(720, 1280), coded_size=(1280, 720))
    look = put_within_budget(ReferenceDialect(), arguments(nframes=100, resize=0.4), info=rotated)
    assert look.applied["nframes"] == 87
    assert look.estimated_visual_tokens == 12_528
    assert look.notes == (), "the policy is not told"


@pytest.mark.parametrize(
    ("size", "resize", "pixels"),
    [
        ((1280, 720), 1.0, (1288, 728)),
        ((1280, 720), 0.5, (644, 364)),
        ((1280, 720), 0.1, (140, 84)),
        ((640, 360), 0.1, (56, 28)),
        ((640, 360), 0.03, (28, 1)),
        ((320, 240), 0.01, (1, 1)),
        ((1280, 720), 3.0, (3836, 2156)),
        ((98, 42), 1.0, (112, 56)),  # halves round to even: 3.5 -> 4, 1.5 -> 2
        ((70, 42), 1.0, (56, 56)),
    ],
)
def test_sizes(size: tuple[int, int], resize: float, pixels: tuple[int, int]) -> None:
    assert harness_size(*size, resize) == pixels


@pytest.mark.parametrize(
    ("start", "end", "nframes", "instants"),
    [
        (10, 20, 1, [15.0]),
        (10, 20, 2, [10.0, 19.999]),
        (10, 20, 3, [10.0, 14.9995, 19.999]),
        (10, 10.002, 2, [10.0, 10.00175]),
        (0, 143, 2, [0.0, 59.999]),
        (-5, 30, 2, [0.0, 29.999]),
        (30, 10, 2, [0.0, 59.999]),  # an empty range is the whole video
        (30, 30, 1, [30.0]),
        (70, 90, 3, [0.0, 29.9995, 59.999]),
        (-20, -10, 1, [30.0]),
        (50, math.inf, 2, [50.0, 59.999]),
    ],
)
def test_instants(start: float, end: float, nframes: int, instants: list[float]) -> None:
    found = harness_times(start, end, nframes, stream_begin=0.0, stream_end=60.0)
    assert found == pytest.approx(instants, abs=1e-9)


def test_instants_are_clamped_to_the_stream() -> None:
    found = harness_times(0, 3, 2, stream_begin=1.4, stream_end=61.4)
    assert found == pytest.approx([1.4, 2.999])


BURST = np.array([0.0, 0.04, 0.08, 0.12, 3.0])


@pytest.mark.parametrize(
    ("facts", "indices"),
    [
        ({"average_fps": 5 / 3.04}, [0, 1, 2, 4, 4]),  # counted off by average rate
        ({"codec": "av1"}, [0, 3, 3, 3, 4]),  # on screen: decord has no decoder
        ({"codec": "av1", "start_offset_seconds": 2.0}, [0, 3, 3, 3, 3]),
        ({"codec": "h264", "container": "avi"}, [0, 3, 3, 3, 4]),
        ({"average_fps": 0}, [0, 1, 2, 2, 3]),  # no rate known: one a second
    ],
)
def test_frames_by_average_rate(facts: dict[str, Any], indices: list[int]) -> None:
    rate = facts.pop("average_fps", 5 / 3.04) or None
    info = replace(video_info(duration_seconds=3.04), stream_average_fps=rate, **facts)
    found = harness_indices(0, 3.04, 5, info=info, times_seconds=BURST)
    assert found == indices


@pytest.mark.parametrize(
    ("start", "end", "nframes", "seconds"),
    [
        (0, 10, 3, (0, 5, 10)),
        (10, 20, 1, (10,)),  # although the midpoint is sampled
        (200, 250, 4, (200, 216, 233, 250)),
        (6630, 6631, 2, (6630, 6631)),
        (-5, 5, 3, (-5, 0, 5)),
        (-0.5, 0.5, 2, (0, 0)),
        (50, 20, 3, (50, 35, 20)),  # although the whole video is sampled
        (0.5, 1.9, 2, (0, 1)),
    ],
)
def test_label_seconds(start: float, end: float, nframes: int, seconds: tuple[int, ...]) -> None:
    assert harness_clock(start, end, nframes) == seconds


@pytest.mark.parametrize(
    ("changed", "expected"),
    [
        ({}, "runs"),
        ({"resize": MISSING}, "runs"),
        ({"resize": None}, "runs"),
        ({"resize": 1}, "runs"),
        ({"resize": 2.5}, "runs"),
        ({"nframes": "4"}, "runs"),
        ({"nframes": " 4 "}, "runs"),
        ({"other": [1]}, "runs"),
        ({"start_time": -3}, "runs"),
        ({"start_time": -0.5}, "runs"),
        ({"start_time": 1e20}, "runs"),
        ({"start_time": 20}, "runs"),
        ({"nframes": 4.0}, "failed"),
        ({"nframes": 0}, "failed"),
        ({"nframes": -4}, "failed"),
        ({"nframes": True}, "failed"),
        ({"nframes": 0.5}, "failed"),
        ({"resize": True}, "failed"),
        ({"resize": 0}, "failed"),
        ({"resize": -0.5}, "failed"),
        ({"start_time": True}, "failed"),
        ({"start_time": None}, "failed"),
        ({"end_time": []}, "failed"),
        ({"end_time": {}}, "failed"),
        ({"end_time": "soon"}, "failed"),
        ({"start_time": ""}, "failed"),
        ({"start_time": -1e-5}, "failed"),  # its command line takes "-1e-05" for an option
        ({"start_time": "-1:30"}, "failed"),
        ({"start_time": "nan"}, "failed"),
        ({"end_time": "nan", "nframes": 1}, "failed"),
        ({"start_time": "-inf"}, "failed"),
        ({"start_time": MISSING}, "failed"),
        ({"nframes": MISSING}, "failed"),
        ({"start_time": "00:00"}, "lost"),
        ({"start_time": "3"}, "lost"),
        ({"start_time": "-3"}, "lost"),
        ({"end_time": "00:01:30.5"}, "lost"),
        ({"end_time": ""}, "lost"),
        ({"end_time": "inf"}, "lost"),
        ({"end_time": "nan"}, "lost"),
        ({"nframes": None}, "lost"),
        ({"nframes": "four"}, "lost"),
        ({"nframes": "4.0"}, "lost"),
        ({"nframes": []}, "lost"),
        ({"nframes": [4]}, "lost"),
        ({"nframes": "nan"}, "lost"),
        ({"resize": "0.5"}, "lost"),
        ({"resize": ""}, "lost"),
        ({"resize": [0.5]}, "lost"),
        ({"resize": 1e308}, "lost"),
    ],
)
def test_fate_of_odd_arguments(changed: dict[str, Any], expected: str) -> None:
    assert fate(changed) == expected


def test_over_budget_a_number_of_frames_becomes_whole() -> None:
    assert fate({"nframes": 16.0}, look_budget=500) == "runs"
    assert fate({"nframes": True, "resize": 1}, look_budget=500) == "runs"
    assert fate({"nframes": 4, "resize": True}, look_budget=500) == "runs"
    assert fate({"nframes": "16"}, look_budget=500) == "lost"


def test_applied_arguments_are_plain_numbers() -> None:
    look = put_within_budget(ReferenceDialect(), arguments(nframes="4", resize=1, other=[1]))
    assert look.applied == {"start_time": 0, "end_time": 10, "nframes": 4, "resize": 1.0}
    assert look.clock(4) == (0, 3, 6, 10)


def test_more_frames_than_any_memory_holds_fail() -> None:
    assert fate({"nframes": 4096, "resize": 0.01}) == "runs"
    assert fate({"nframes": 4097, "resize": 0.01}) == "failed"


def test_only_a_person_can_ask_for_another_tool() -> None:
    with pytest.raises(InvalidArguments, match="no tool but frame_select"):
        put_within_budget(ReferenceDialect(), arguments(), tool="seek")
