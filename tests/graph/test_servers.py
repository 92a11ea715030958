"""Episodes of two looks against OpenAI-protocol servers of four kinds, through our own client and
through LangChain's ChatOpenAI; the requests that the servers recorded prove that images arrived.
And every way a server can fail: a bounded number of requests, a typed end, the trajectory kept.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from episodes import QUESTION, TWO_LOOKS, answer, look, span
from langchain_openai import ChatOpenAI
from openai_server import Fault, OpenAIServer, Reply, Traits, images_of

from eva_graph import StopReason, VideoAgent
from eva_graph.policy.openai_compatible import OpenAIPolicy
from eva_graph_tools import FrameStore

NATIVE: Sequence[Any] = (
    Reply(text="Summary: nothing yet.", calls=[("frame_select", json.dumps(span(0, 8, 2, 0.5)))]),
    Reply(text="Reflection: closer.", calls=[("seek", json.dumps({"time": "00:03"}))]),
    "Reflection: At [00:03] it is yellow.\n<answer>yellow</answer>",
)
KINDS: dict[str, tuple[Traits, Sequence[Any], dict[str, Any], str]] = {
    "takes images in tool messages": (Traits(), TWO_LOOKS, {}, "tool"),
    "answers 400 to them": (Traits(tool_images=False), TWO_LOOKS, {}, "user"),
    "native tool calls": (Traits(), NATIVE, {"dialect": "native"}, "tool"),
    "no tool calls": (Traits(tools=False), TWO_LOOKS, {"instructions": True}, "tool"),
}
FAILURES = {
    Fault.HANG: (StopReason.POLICY_ERROR, 3),
    Fault.CUT: (StopReason.POLICY_ERROR, 3),
    Fault.ERROR_500: (StopReason.POLICY_ERROR, 3),
    Fault.BUSY_429: (StopReason.POLICY_ERROR, 3),
    Fault.HTML: (StopReason.POLICY_ERROR, 1),
    Fault.INVALID_JSON: (StopReason.POLICY_ERROR, 1),
    Fault.NESTED: (StopReason.POLICY_ERROR, 1),
    Fault.INVALID_UTF8: (StopReason.POLICY_ERROR, 1),
    Fault.EMPTY_CHOICES: (StopReason.POLICY_ERROR, 1),
    Fault.NO_MESSAGE: (StopReason.POLICY_ERROR, 1),
    Fault.NULL_CONTENT: (StopReason.POLICY_ERROR, 1),
    Fault.OVERFLOW: (StopReason.CONTEXT_OVERFLOW, 2),
}
"""Fault, how the episode ends, and how many requests the failing turn may cost."""


def client(name: str, server: OpenAIServer) -> Any:
    if name == "openai":
        return OpenAIPolicy(server.base_url)
    return ChatOpenAI(model="scripted-vl", base_url=server.base_url, api_key="none", max_retries=0)


@pytest.mark.parametrize("name", ["openai", "chat model"])
@pytest.mark.parametrize("kind", KINDS)
def test_an_episode_of_two_looks(kind: str, name: str, clip: Path, frames: FrameStore) -> None:
    traits, script, options, role = KINDS[kind]
    with OpenAIServer(script, traits=traits) as server:
        result = VideoAgent(client(name, server), frames=frames, **options).run(clip, QUESTION)
        last = server.requests[-1]
    assert (result.answer, result.stop_reason) == ("yellow", StopReason.ANSWERED)
    shown = [frame for turn in result.turns for call in turn.calls for frame in call.frames]
    assert len(shown) == 3
    assert images_of(last) == [(role, frames.read(frame)) for frame in shown]
    assert {turn.images_in for turn in result.trajectory.turns[1:]} == {role}
    assert ("tools" in last) == (options.get("dialect") == "native")


@pytest.mark.parametrize("fault", FAILURES)
def test_a_server_fails_after_a_look(fault: Fault, clip: Path, frames: FrameStore) -> None:
    reason, most_requests = FAILURES[fault]
    script = [look(span(0, 8, 4)), answer("red")]
    with OpenAIServer(script, faults=[Fault.NONE, fault]) as server:
        timeout = 0.3 if fault is Fault.HANG else 30.0
        policy = OpenAIPolicy(server.base_url, backoff_seconds=0.0, timeout_seconds=timeout)
        result = VideoAgent(policy, frames=frames).run(clip, QUESTION)
        assert 1 < len(server.requests) <= 1 + most_requests
        assert result.usage.requests == len(server.requests)
    assert result.stop_reason is reason
    assert result.error
    assert "\n" not in result.error
    assert [len(call.frames) for turn in result.turns for call in turn.calls] == [4]
