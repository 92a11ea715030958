"""A label never lies: it names the true time of the frame that stands behind it."""

from __future__ import annotations

import re
from collections.abc import Callable

import numpy as np
from dialect_parts import block
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from eva_graph.blocks import blocks_of, frame_of
from eva_graph.dialects import Calls
from eva_graph.look import LookExecutor
from eva_graph.state import Spent
from eva_graph.testing import CLIP_COLOURS, clip_colour
from eva_graph_tools import FrameRef, parse_time

Make = Callable[..., LookExecutor]
LABEL = re.compile(r"^\n?Frame (\d+) at \[([0-9:.]+)\]: $")
FRESH = Spent(turns=1, frames=0, visual_tokens=0, context_tokens=0)

SPANS = st.tuples(st.floats(-2, 8), st.floats(0, 12), st.integers(1, 30), st.floats(0.02, 1.5)).map(
    lambda drawn: {
        "start_time": drawn[0],
        "end_time": drawn[0] + drawn[1],
        "nframes": drawn[2],
        "resize": drawn[3],
    }
)


def labelled(executor: LookExecutor, text: str) -> list[tuple[int, str, FrameRef]]:
    """Number, label and frame, as the policy reads them."""
    outcome = executor.read(text, message_id="m")
    assert isinstance(outcome, Calls)
    (message,) = executor.respond(outcome, spent=FRESH, message_id="t").messages
    found: list[tuple[int, str, FrameRef]] = []
    before = None
    for part in blocks_of(message):
        frame = frame_of(part)
        if frame is not None:
            assert before is not None
            found.append((int(before[1]), before[2], frame))
        before = LABEL.match(part.get("text", ""))
    return found


@given(calls=st.lists(SPANS, min_size=1, max_size=3))
@settings(deadline=None, max_examples=60, suppress_health_check=list(HealthCheck))
def test_labels_are_true(executor: Make, calls: list[dict[str, float]]) -> None:
    made = executor()
    frames = labelled(made, block(*calls))
    assert [number for number, _, _ in frames] == list(range(len(frames)))
    known = made.video.frame_times_seconds
    units = {0.001 if "." in label else 1.0 for _, label, _ in frames}
    assert len(units) <= 1, "all labels of a message have one form"
    for _, label, frame in frames:
        assert np.isclose(known, frame.pts_seconds, atol=1e-9).any()
        assert -1e-6 <= frame.pts_seconds - parse_time(label) < max(units)
    distinct = {frame.pts_seconds for _, _, frame in frames}
    assert len({label for _, label, _ in frames}) == len(distinct) or units == {0.001}


def test_the_picture_is_of_the_labelled_second(executor: Make) -> None:
    made = executor()
    frames = labelled(made, block({"start_time": 0, "end_time": 8, "nframes": 30}))
    assert len(frames) == 30
    for _, label, frame in frames:
        corner = np.asarray(made.store.open_image(frame))[:4, :4].mean(axis=(0, 1))
        expected = CLIP_COLOURS[clip_colour(parse_time(label))]
        assert np.abs(corner - expected).max() < 12


def test_a_label_leads_back_to_its_frame(executor: Make) -> None:
    made = executor()
    for _, label, frame in labelled(made, block({"start_time": 1, "end_time": 4, "nframes": 9})):
        call = {"start_time": label, "end_time": label, "nframes": 1}
        ((_, _, again),) = labelled(made, block(call))
        assert again.pts_seconds == frame.pts_seconds
