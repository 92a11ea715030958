"""The public testing parts."""

from __future__ import annotations

import asyncio

import numpy as np
import pytest
from langchain_core.messages import AIMessage

from eva_graph.errors import PolicyError, PolicyUnavailable
from eva_graph.policy.protocol import Completion, Policy
from eva_graph.testing import CLIP_COLOURS, ScriptedPolicy, clip_colour, make_clip
from eva_graph_tools import Video, VisualGrid


def test_lines_follow_the_transcript(ask, opening):
    policy = ScriptedPolicy(["one", "two"])
    assert isinstance(policy, Policy)
    later = [*opening, AIMessage("one")]
    texts = [policy.generate(ask(messages)).text for messages in (opening, opening, later)]
    assert texts == ["one", "one", "two"]
    assert [len(request.messages) for request in policy.requests] == [2, 2, 3]


def test_a_script_that_ends_is_an_error(ask, opening):
    with pytest.raises(PolicyError, match="1 lines, line 2"):
        ScriptedPolicy(["one"]).generate(ask([*opening, AIMessage("one")]))


def test_lines_may_be_completions_errors_or_a_function(ask, opening):
    whole = Completion(text="cut", finish_reason="length")
    assert ScriptedPolicy([whole]).generate(ask(opening)) is whole
    with pytest.raises(PolicyUnavailable):
        ScriptedPolicy([PolicyUnavailable("gone")]).generate(ask(opening))
    echo = ScriptedPolicy(lambda request: request.conversation_id)
    assert asyncio.run(echo.agenerate(ask(opening, conversation_id="x"))).text == "x"


def test_with_continuation_every_call_has_its_line(ask, opening):
    policy = ScriptedPolicy(["a", "b"], continuation=True, grid=VisualGrid(patch_pixels=32))
    assert policy.info.supports_continuation
    assert policy.info.grid.patch_pixels == 32
    request = ask([*opening, AIMessage("Summary:")], continue_final=True)
    other = ask(opening, conversation_id="other")
    assert [policy.generate(one).text for one in (request, other, request)] == ["a", "a", "b"]


def test_a_clip_shows_when_it_is(tmp_path):
    path = make_clip(tmp_path / "clip.mp4", seconds=9.5, size=(160, 120), fps=8)
    with Video.open(path) as video:
        assert (video.info.width, video.info.height) == (160, 120)
        assert video.info.duration_seconds == pytest.approx(9.5)
        assert video.info.codec == "h264"
        for frame in video.frames_at([0.0, 3.25, 7.999, 8.0, 9.4]):
            corner = frame.to_numpy()[:8, :8].mean(axis=(0, 1))
            distance = {
                name: float(np.abs(corner - colour).sum()) for name, colour in CLIP_COLOURS.items()
            }
            assert min(distance, key=distance.__getitem__) == clip_colour(frame.pts_seconds)
