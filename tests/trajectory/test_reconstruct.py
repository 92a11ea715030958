"""Recorded runs replayed from their records: the same requests, byte for byte, and the same ids."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from episodes import QUESTION, TWO_LOOKS, answer, call, look, span
from langgraph.checkpoint.memory import InMemorySaver
from openai_server import OpenAIServer, Reply, Traits, rendered

from eva_graph import Context, Trajectory, VideoAgent, build_graph
from eva_graph.errors import TrajectoryError
from eva_graph.policy.openai_compatible import OpenAIPolicy
from eva_graph.policy.protocol import Completion
from eva_graph.testing import ScriptedPolicy
from eva_graph.trajectory import RunStore, check_record
from eva_graph.trajectory.reconstruct import PolicyInput, policy_inputs, wire_messages
from eva_graph.trajectory.token_chain import non_canonical_turns, token_chain

PARALLEL = [look(span(0, 1, 3), span(5, 6, 2)), look(span(90, 99, 4, 0.5)), answer("red")]
BROKEN = ["<tool_call>{", "Hm.", look(span(1, 2, 2)), answer("red")]
NATIVE: Sequence[Any] = (
    Reply(
        text="I look.",
        calls=[
            ("frame_select", '{"start_time": 0, "end_time": 8, "nframes": 2}'),
            ("seek", '{"time": 3}'),
        ],
    ),
    Reply(calls=[("seek", '{"time": 99')]),
    answer("red"),
)
TOOLS = [
    call({"time": 3, "box": [0.1, 0.1, 0.6, 0.6]}, tool="zoom"),
    call({"start_time": 2, "end_time": 4}, tool="clip"),
    call({"start_time": 0, "end_time": 8, "threshold": 20}, tool="scene_detect"),
    answer("red"),
]
EPISODES: dict[str, tuple[Sequence[Any], dict[str, Any], Traits]] = {
    "corrected": (PARALLEL, {}, Traits()),
    "corrected, errors": (BROKEN, {}, Traits()),
    "corrected, taught": (TWO_LOOKS, {"instructions": True}, Traits()),
    "corrected, every tool": (TOOLS, {"instructions": True}, Traits()),
    "corrected, little context": (TWO_LOOKS, {}, Traits(context_tokens=900)),
    "reference": (PARALLEL, {"profile": "reference"}, Traits()),
    "reference, lost": (BROKEN, {"profile": "reference"}, Traits()),
    "native": (NATIVE, {"dialect": "native"}, Traits()),
    "images in user messages": (TWO_LOOKS, {}, Traits(tool_images=False)),
    "user messages only": (TWO_LOOKS, {}, Traits(bare_tool_messages=False)),
}


def only(run: Path) -> tuple[Trajectory, list[PolicyInput]]:
    store = RunStore(run)
    (record,) = store.records()
    return record, list(policy_inputs(record, store.frames))


def replayed(inputs: Sequence[PolicyInput], traits: Traits) -> list[bytes]:
    """What a server is sent by a new client that is given the rebuilt requests."""
    with OpenAIServer(lambda body: "<answer>A</answer>", traits=traits) as server:
        for each in inputs:
            OpenAIPolicy(server.base_url, images=each.images_in).generate(each.request)
    return server.bodies


def taken(server: OpenAIServer) -> list[bytes]:
    """The requests that the server did not refuse, in order."""
    pairs = zip(server.bodies, server.requests, strict=True)
    return [content for content, body in pairs if server.refusal(body) is None]


@pytest.mark.parametrize("name", EPISODES)
def test_the_same_requests_byte_for_byte(name: str, clip: Path, tmp_path: Path) -> None:
    script, options, traits = EPISODES[name]
    context = Context(temperature=0.7, seed=5, max_new_tokens=300)
    with OpenAIServer(script, traits=traits) as server:
        agent = VideoAgent(server.base_url, context=context, **options)
        agent.run(clip, QUESTION, options=["red", "yellow"], record=tmp_path / "run")
    record, inputs = only(tmp_path / "run")
    sent = taken(server)
    assert len(sent) == len(inputs) == len(record.turns)
    assert replayed(inputs, traits) == sent
    bodies = [body for body in server.requests if server.refusal(body) is None]
    for each, body in zip(inputs, bodies, strict=True):
        assert wire_messages(each) == body["messages"]
        assert each.tokens is not None
        assert list(each.tokens.prompt_ids) == list(rendered(body).encode())
        assert bytes(each.tokens.token_ids).decode().startswith(each.sampled)
    assert non_canonical_turns(record) == []
    assert check_record(record, RunStore(tmp_path / "run").frames) == []


@pytest.mark.parametrize("profile", ["corrected", "reference"])
def test_an_edited_call(profile: str, clip: Path, tmp_path: Path) -> None:
    """It is stored beside the sampled one, read by later turns, and kept out of every loss."""
    thread: Any = {"configurable": {"thread_id": "1"}}
    mine = {"tool": "frame_select", "arguments": span(5, 5, 1)}
    with OpenAIServer(TWO_LOOKS) as server:
        context = Context(record=str(tmp_path / "run"))
        policy = OpenAIPolicy(server.base_url)
        graph = build_graph(policy, profile=profile, context=context).builder.compile(  # type: ignore[arg-type]
            checkpointer=InMemorySaver(), interrupt_before=["action"]
        )
        graph.invoke({"video": str(clip), "question": QUESTION}, thread)
        graph.update_state(thread, {"calls": [mine]})
        graph.invoke(None, thread)
        graph.invoke(None, thread)
    record, inputs = only(tmp_path / "run")
    assert [each.edited for each in inputs] == [True, False, False]
    first = record.turns[0]
    assert first.sampled_calls is not None
    assert first.sampled_calls[0]["arguments"] == span(0, 8, 2, 0.5)
    assert first.calls[0].requested == span(5, 5, 1)
    assert inputs[0].sampled == first.text == TWO_LOOKS[0]
    assert '"start_time": 5' in str(inputs[1].request.messages)
    assert replayed(inputs, Traits()) == server.bodies
    assert [each.tokens is None for each in inputs] == [True, False, False]
    for each, body in zip(inputs[1:], server.requests[1:], strict=True):
        assert each.tokens is not None
        assert list(each.tokens.prompt_ids) == list(rendered(body).encode())
    assert non_canonical_turns(record) == [], "an edit is no re-tokenisation"
    assert check_record(record, RunStore(tmp_path / "run").frames) == []


def test_the_parts_of_phases(clip: Path, tmp_path: Path) -> None:
    with OpenAIServer(TWO_LOOKS) as server:
        agent = VideoAgent(server.base_url, context=Context(calls="phase"))
        agent.run(clip, QUESTION, record=tmp_path / "run")
    _, inputs = only(tmp_path / "run")
    assert len(inputs) == len(server.requests) > 3
    for each, body in zip(inputs, server.requests, strict=True):
        assert each.request.continue_final
        assert wire_messages(each) == body["messages"]


def test_ids_of_the_embedded_nano(nano_run: RunStore, nano_calls: list[Any]) -> None:
    """Prompt and sampled ids, grids and log-probabilities, as the policy gave them."""
    inputs = [
        each for record in nano_run.records() for each in policy_inputs(record, nano_run.frames)
    ]
    assert len(inputs) == len(nano_calls) > 4
    for each, (request, completion) in zip(inputs, nano_calls, strict=True):
        assert list(each.request.messages) == list(request.messages)
        assert each.tokens is not None
        assert each.tokens.prompt_ids == completion.prompt_token_ids
        assert each.tokens.token_ids == completion.token_ids
        assert each.tokens.image_grids == completion.image_grids
        assert each.tokens.logprobs == completion.logprobs
    assert any(each.tokens and each.tokens.image_grids for each in inputs)


def said(turn: int, prompt: Sequence[int], sampled: Sequence[int]) -> Completion:
    return Completion(
        text=TWO_LOOKS[turn - 1], prompt_token_ids=tuple(prompt), token_ids=tuple(sampled)
    )


@pytest.mark.parametrize(
    ("second", "third", "departed"),
    [
        ([1, 2, 3, 4, 5], [1, 2, 3, 4, 5, 6, 7], []),
        ([1, 2, 3, 9, 5], [1, 2, 3, 9, 5, 6, 7], [1]),
        ([9, 2, 3, 4, 5], [9, 2, 3, 4, 5, 6, 7], [1]),
        ([1, 2, 3, 4, 5], [1, 2, 3, 4, 5, 9, 7], [2]),
        ([1, 2, 3, 4, 5], [1, 2, 3, 9, 5, 6, 7], [1]),
        ([1, 2, 3, 9, 5], [1, 2, 3, 9, 5, 8, 7], [1, 2]),
        ([1, 2, 3], [1, 2, 3, 6, 7], [1]),
    ],
)
def test_where_a_prompt_was_tokenised_anew(
    second: list[int], third: list[int], departed: list[int], clip: Path, tmp_path: Path
) -> None:
    script = [said(1, [1, 2], [3, 4]), said(2, second, [6]), said(3, third, [8])]
    VideoAgent(ScriptedPolicy(script)).run(clip, QUESTION, record=tmp_path / "run")
    record, inputs = only(tmp_path / "run")
    assert [each.tokens and each.tokens.prompt_ids for each in inputs] == [
        (1, 2), tuple(second), tuple(third),
    ]  # fmt: skip
    assert non_canonical_turns(record) == departed


def test_what_does_not_fit_together(clip: Path, tmp_path: Path) -> None:
    script = [said(1, [1, 2], [3, 4]), said(2, [1, 2, 3, 4, 5], [6]), said(3, [1], [8])]
    VideoAgent(ScriptedPolicy(script)).run(clip, QUESTION, record=tmp_path / "run")
    record, _ = only(tmp_path / "run")
    record.turns[0].edited, record.turns[0].tokens = True, None
    with pytest.raises(TrajectoryError, match="which are void"):
        list(token_chain(record))
    del record.turns[-1]
    with pytest.raises(TrajectoryError, match="3 assistant messages for 2 turns"):
        next(policy_inputs(record, RunStore(tmp_path / "run").frames))
