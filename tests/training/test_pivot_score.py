"""The score of a written call against a logged one: bounded, symmetric, and no gain in excess."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eva_graph.dialects import EvaDialect
from eva_graph_training.pivot_score import call_score, pivot_reward, pivot_score

LOGGED = {
    "tool": "frame_select",
    "arguments": {"start_time": 10, "end_time": 20, "nframes": 8, "resize": 0.5},
}
NUMBERS = st.integers(-5, 2**53) | st.floats(allow_nan=False, allow_infinity=False)
JSON = st.recursive(
    NUMBERS | st.none() | st.booleans() | st.text(max_size=5) | st.just("00:12"),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=4), inner),
    max_leaves=6,
)
ARGUMENTS = st.dictionaries(
    st.sampled_from(["start_time", "end_time", "time", "nframes", "resize", "box", "query"]), JSON
)
CALLS = st.fixed_dictionaries(
    {"tool": st.sampled_from(["frame_select", "zoom"]), "arguments": ARGUMENTS}
)


def written(*calls: dict[str, Any]) -> str:
    return "Plan: look.\n<tool_call>" + "\n".join(map(json.dumps, calls)) + "</tool_call>"


def changed(**arguments: Any) -> dict[str, Any]:
    return {**LOGGED, "arguments": {**LOGGED["arguments"], **arguments}}


@given(
    text=st.text() | st.lists(CALLS, max_size=20).map(lambda calls: written(*calls)),
    target=st.lists(CALLS, max_size=3),
)
def test_any_text_has_a_score(text: str, target: list[dict[str, Any]]) -> None:
    assert 0 <= pivot_score(text, target) <= 1


@given(first=CALLS, second=CALLS)
def test_nearness_is_symmetric(first: dict[str, Any], second: dict[str, Any]) -> None:
    assert call_score(first, second) == pytest.approx(call_score(second, first))


def test_the_logged_call_itself() -> None:
    assert pivot_score(written(LOGGED), [LOGGED]) == pytest.approx(1)
    clock = changed(start_time="00:10", end_time="00:20.000")
    assert pivot_score(written(clock), [LOGGED]) == pytest.approx(1), "the same times in words"
    bare = {"tool": "seek", "arguments": {"time": 3}}
    spelt = {"tool": "seek", "arguments": {"time": 3, "resize": 1}}
    assert pivot_score(written(bare), [spelt]) == pytest.approx(1), "left out is the default"


@pytest.mark.parametrize(
    "text",
    ["", "I look.", "<answer>B</answer>", written(LOGGED) + "<answer>B</answer>", "<tool_call>{"],
)
def test_turns_that_do_not_call(text: str) -> None:
    assert pivot_score(text, [LOGGED]) == 0


def test_every_step_away_costs() -> None:
    def score(call: dict[str, Any]) -> float:
        return pivot_score(written(call), [LOGGED])

    assert score({"tool": "seek", "arguments": {"time": 15}}) == pytest.approx(0.1)
    assert 1 > score(changed(nframes=6)) > score(changed(nframes=2)) > score(changed(nframes=0))
    assert 1 > score(changed(resize=0.4)) > score(changed(resize=0.1))
    near, far, apart = (score(changed(start_time=t, end_time=t + 10)) for t in (12, 18, 50))
    assert 1 > near > far > apart
    assert apart == pytest.approx(0.3 + 0.7 * 2 / 7), "density and detail alone are right"
    backwards = score(changed(start_time=20, end_time=10))
    assert backwards == pytest.approx(apart)


def test_an_instant_is_a_second_wide() -> None:
    logged = {"tool": "seek", "arguments": {"time": 5}}
    near = pivot_score(written({"tool": "seek", "arguments": {"time": 5.5}}), [logged])
    assert near == pytest.approx(0.3 + 0.7 / 3)


def test_boxes() -> None:
    logged = {"tool": "zoom", "arguments": {"time": 5, "box": [0, 0, 0.5, 0.5]}}
    half = {"tool": "zoom", "arguments": {"time": 5, "box": [0, 0, 0.5, 0.25]}}
    assert pivot_score(written(half), [logged]) == pytest.approx(0.3 + 0.7 * (5 + 1.5) / 8)


def test_asking_for_everything_does_not_pay() -> None:
    shotgun = [changed(start_time=t, end_time=t + 10) for t in range(0, 100, 10)]
    assert pivot_score(written(*shotgun), [LOGGED]) == pytest.approx(0.1)
    assert pivot_score(written(LOGGED), [LOGGED, LOGGED]) == pytest.approx(0.5)
    swapped = [changed(start_time=0), LOGGED]
    assert pivot_score(written(*swapped), swapped[::-1]) == pytest.approx(1), "in any order"


def test_the_reward_reads_the_dialect() -> None:
    text = "Summary: …\n" + written(LOGGED)
    assert EvaDialect().read(text, truncated=False)
    parts = [{"type": "text", "text": text}]
    completions = [text, [{"role": "assistant", "content": parts}]]
    assert pivot_reward(completions, [json.dumps([LOGGED])] * 2) == pytest.approx([1, 1])
