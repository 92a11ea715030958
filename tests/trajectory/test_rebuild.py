"""From a record alone: what the policy was shown, message by message and pixel by pixel."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path

import pytest
from episodes import QUESTION, TWO_LOOKS, answer, look, span
from langchain_core.messages import AIMessage, AnyMessage
from openai_server import OpenAIServer, images_of

from eva_graph import Context, Trajectory, VideoAgent
from eva_graph.blocks import frames_of
from eva_graph.errors import TrajectoryError
from eva_graph.policy.protocol import Completion, NativeCall
from eva_graph.testing import Line, ScriptedPolicy
from eva_graph.trajectory import read_records
from eva_graph.trajectory.messages import message_from_json, message_to_json
from eva_graph_tools import FrameStore

SELECT = NativeCall(
    id="c1", name="frame_select", arguments='{"start_time": 0, "end_time": 8, "nframes": 2}'
)
SCRIPTS: dict[str, tuple[Sequence[Line], str]] = {
    "two looks": (TWO_LOOKS, "eva"),
    "malformed": (["<tool_call>{", "Hm.", look(span(99, 100, 2)), answer("red")], "eva"),
    "parallel": ([look(span(0, 1, 2), span(5, 6, 2)), answer("red")], "eva"),
    "native": (
        [
            Completion(text="I look.", tool_calls=(SELECT, SELECT), finish_reason="tool_calls"),
            Completion(text="", tool_calls=(NativeCall(id="c", name="seek", arguments="{"),)),
            "Hm.",
            answer("red"),
        ],
        "native",
    ),
}


def inputs(trajectory: Trajectory) -> list[list[AnyMessage]]:
    """The transcript before each assistant message."""
    messages = [message_from_json(each) for each in trajectory.messages]
    turns = [index for index, each in enumerate(messages) if isinstance(each, AIMessage)]
    return [messages[:index] for index in turns]


@pytest.mark.parametrize("name", SCRIPTS)
def test_messages_are_what_the_policy_saw(name: str, clip: Path, tmp_path: Path) -> None:
    script, dialect = SCRIPTS[name]
    policy = ScriptedPolicy(script)
    VideoAgent(policy, dialect=dialect).run(clip, QUESTION, record=tmp_path / "run")
    (record,) = read_records(tmp_path / "run")
    assert inputs(record) == [list(request.messages) for request in policy.requests]
    store = FrameStore(tmp_path / "run" / "frames")
    for request, rebuilt in zip(policy.requests, inputs(record), strict=True):
        shown = [store.read(ref) for ref in frames_of(rebuilt)]
        assert shown == [request.load_frame(ref) for ref in frames_of(request.messages)]


def test_pixels_are_what_the_server_got(clip: Path, tmp_path: Path) -> None:
    with OpenAIServer(TWO_LOOKS) as server:
        VideoAgent(server.base_url).run(clip, QUESTION, record=tmp_path / "run")
    (record,) = read_records(tmp_path / "run")
    for body, rebuilt in zip(server.requests, inputs(record), strict=True):
        sent = [hashlib.sha256(data).hexdigest() for _, data in images_of(body)]
        assert sent == [ref.sha256 for ref in frames_of(rebuilt)]
    assert len(images_of(server.requests[-1])) == 3


def test_phases_leave_the_message_that_was_read(clip: Path, tmp_path: Path) -> None:
    with OpenAIServer(TWO_LOOKS) as server:
        agent = VideoAgent(server.base_url, context=Context(calls="phase"))
        agent.run(clip, QUESTION, record=tmp_path / "run")
    (record,) = read_records(tmp_path / "run")
    said = [each["content"] for each in record.messages if each["role"] == "assistant"]
    assert said == list(TWO_LOOKS)


def test_every_message_survives_json(clip: Path, tmp_path: Path) -> None:
    for script, dialect in SCRIPTS.values():
        policy = ScriptedPolicy(script)
        VideoAgent(policy, dialect=dialect).run(clip, QUESTION, record=tmp_path / "run")
        for message in policy.requests[-1].messages:
            data = json.loads(json.dumps(message_to_json(message)))
            assert message_from_json(data) == message
    with pytest.raises(TrajectoryError, match="prophet"):
        message_from_json({"role": "prophet", "content": ""})
