"""`calls="phase"` on a real vLLM: every node continues the message, the action fits the schema."""

from __future__ import annotations

import re

import pytest

from eva_graph import Context, VideoAgent
from eva_graph.policy.call_regex import calls_regex
from eva_graph.testing import make_clip
from eva_graph_tools import TOOLS

pytestmark = [pytest.mark.vllm, pytest.mark.timeout(600)]

QUESTION = "What letter is on the sign at 00:03?"


def test_nodes_write_their_own_parts(served, tmp_path):
    clip = make_clip(tmp_path / "clip.mp4", size=(224, 224))
    context = Context(calls="phase", max_turns=3, max_new_tokens=160)
    result = VideoAgent(policy=served).run(clip, QUESTION, context=context)
    assert result.error is None
    first = result.trajectory.turns[0]
    injected = [span.text for span in first.spans if not span.sampled]
    assert injected[:2] == ["Summary:", "\nPlan:"]
    assert first.policy_calls > 1
    written = [span.text for turn in result.trajectory.turns for span in turn.spans if span.sampled]
    actions = [text for text in written if text.startswith('{"tool"')]
    assert actions, "no turn looked"
    schema = calls_regex([TOOLS["frame_select"]])
    assert all(re.fullmatch(schema, action) for action in actions)
