"""What a guided decoder may write is a call that runs: nothing but its range can be refused."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from dialect_parts import arguments_of, put_within_budget
from hypothesis import given
from hypothesis import strategies as st

from eva_graph.dialects import EvaDialect
from eva_graph.dialects.turn import write_call
from eva_graph.policy.call_regex import calls_regex
from eva_graph_tools import TOOLS, InvalidArguments

PATTERN = re.compile(calls_regex(TOOLS.values()))
RANGE = re.compile(
    r"[a-z_]+: (the range .* is outside the video|end_time must be after start_time)"
)


@given(st.from_regex(PATTERN, fullmatch=True))
def test_whatever_it_matches_runs(written: str) -> None:
    outcome = EvaDialect().read(f"<tool_call>{written}</tool_call>", truncated=False)
    ((tool, arguments),) = arguments_of(outcome)
    assert tool in TOOLS
    try:
        look = put_within_budget(EvaDialect(), arguments, tool=tool, offered=tuple(TOOLS))
    except InvalidArguments as error:
        refusal = str(error)
    else:
        assert 0 <= look.estimated_visual_tokens <= 12_000
        return
    assert RANGE.match(refusal)


TIMES: st.SearchStrategy[Any] = (
    st.integers(0, 99_999)
    | st.integers(0, 99_999_999).map(lambda thousandths: thousandths / 1000)
    | st.from_regex(r"[0-9]{2}:[0-5][0-9](\.[0-9]{3})?", fullmatch=True)
)
RESIZES = st.just(1.0) | st.integers(1, 10_000).map(lambda steps: steps / 10_000)


@given(TIMES, TIMES, st.integers(1, 9999), RESIZES)
def test_it_matches_what_we_write(start: Any, end: Any, nframes: int, resize: float) -> None:
    scan = {"start_time": start, "end_time": end, "nframes": nframes}
    for arguments in (scan, {**scan, "resize": resize}):
        assert PATTERN.fullmatch(write_call("frame_select", arguments))
    for arguments in ({"time": start}, {"time": end, "resize": resize}):
        assert PATTERN.fullmatch(write_call("seek", arguments))
    for arguments in ({"time": start}, scan, {**scan, "resize": resize}):
        assert PATTERN.fullmatch(write_call("zoom", {"box": [0, 0.25, 1, 0.5], **arguments}))


@pytest.mark.parametrize(
    ("tool", "arguments"),
    [
        ("scene_detect", {}),
        ("scene_detect", {"threshold": 20.5}),
        ("scene_detect", {"end_time": "01:00", "nframes": 3}),
        ("transcript", {"query": "das rote Auto"}),
        ("transcript", {"query": "赤い車", "start_time": 3, "end_time": "01:00"}),
        ("clip", {"start_time": 3, "end_time": 9, "nframes": 2}),
    ],
)
def test_it_matches_calls_of_any_form(tool: str, arguments: dict[str, Any]) -> None:
    assert PATTERN.fullmatch(write_call(tool, arguments))


@pytest.mark.parametrize(
    "written",
    [
        "",
        write_call("transcript", {}),
        write_call("transcript", {"start_time": 3}),
        "{}",
        write_call("watch", {"time": 3}),
        write_call("seek", {}),
        write_call("seek", {"time": -1}),
        write_call("seek", {"time": "soon"}),
        write_call("seek", {"time": "01:99:00"}),
        write_call("seek", {"time": 3, "resize": 0}),
        write_call("seek", {"time": 3, "resize": 1.5}),
        write_call("seek", {"resize": 0.5, "time": 3}),
        write_call("zoom", {"box": [0, 0, 1, 1]}),
        write_call("zoom", {"box": [0, 0, 1], "time": 3}),
        write_call("zoom", {"box": [0, 0, 1, 1], "time": 3, "start_time": 0}),
        write_call("frame_select", {"start_time": 0, "end_time": 3, "nframes": 0}),
        write_call("frame_select", {"start_time": 0, "end_time": 3, "nframes": 2.5}),
        write_call("seek", {"time": 3}) * 2,
        write_call("seek", {"time": 3}) + " ",
        json.dumps({"name": "seek", "arguments": {"time": 3}}),
    ],
)
def test_it_matches_nothing_else(written: str) -> None:
    assert PATTERN.fullmatch(written) is None


def test_only_the_given_tools() -> None:
    only_seek = re.compile(calls_regex([TOOLS["seek"]]))
    assert only_seek.fullmatch(write_call("seek", {"time": 3}))
    scan = {"start_time": 0, "end_time": 3, "nframes": 2}
    assert only_seek.fullmatch(write_call("frame_select", scan)) is None
