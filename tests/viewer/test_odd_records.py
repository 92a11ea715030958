"""Records hold what policies and files wrote, in any form: a page is made of it all the same."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from run_writer import old_record

from eva_graph.trajectory import Trajectory
from eva_graph.viewer.episodes import FrameList, detail, row
from eva_graph.viewer.reel import reel_parts

SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=9)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner),
    max_leaves=6,
)
ARGUMENTS = st.dictionaries(
    st.sampled_from(["start_time", "end_time", "time", "box", "query"]), VALUES
)
REFERENCES = st.fixed_dictionaries(
    {}, optional=dict.fromkeys(old_record().turns[0].calls[0].frames[0].ref, VALUES)
)
EVIDENCE = st.fixed_dictionaries(
    {}, optional=dict.fromkeys(("start_seconds", "end_seconds", "frames"), VALUES)
)
MESSAGES = st.fixed_dictionaries(
    {}, optional=dict.fromkeys(("role", "content", "tool_calls"), VALUES)
)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    ARGUMENTS,
    st.none() | ARGUMENTS,
    st.lists(REFERENCES, max_size=2),
    st.lists(EVIDENCE, max_size=2),
    st.lists(MESSAGES, max_size=2),
)
def test_whatever_stands_in_a_record_can_be_shown(
    requested: dict[str, Any],
    applied: dict[str, Any] | None,
    references: list[dict[str, Any]],
    evidence: list[dict[str, Any]],
    messages: list[dict[str, Any]],
) -> None:
    value = old_record().model_dump()
    call = value["turns"][0]["calls"][0]
    known = call["frames"][0]["ref"]
    call |= {"requested": requested, "applied": applied, "frames": []}
    for reference in [*references, *({**known, **each} for each in references)]:
        call["frames"].append({"ref": reference, "requested_seconds": 0.0, "snapped": False})
    record = Trajectory.model_validate({**value, "evidence": evidence, "messages": messages})
    frames = FrameList()
    shown = detail(record, frames)
    json.dumps([shown, row(record)], allow_nan=False)
    numbers = [
        each["frame"]
        for turn in shown["turns"]
        for made in turn["calls"]
        for each in made["frames"]
    ]
    assert set(numbers) <= set(range(len(frames.refs)))
    for part in reel_parts(record):
        assert 0 <= part.start_seconds <= part.end_seconds <= record.video.duration_seconds
