"""One thread over several questions: every question is an episode of its own."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from episodes import QUESTION, TWO_LOOKS, answer
from langgraph.checkpoint.sqlite import SqliteSaver
from openai_server import OpenAIServer, unused_address

from eva_graph import Context, build_graph
from eva_graph.errors import PolicyError, PolicyUnavailable
from eva_graph.policy.openai_compatible import OpenAIPolicy
from eva_graph.testing import ScriptedPolicy
from eva_graph_tools import FrameStore

THREAD: Any = {"configurable": {"thread_id": "1"}}


@pytest.fixture
def database(tmp_path: Path) -> Iterator[sqlite3.Connection]:
    connection = sqlite3.connect(tmp_path / "checkpoints.db", check_same_thread=False)
    yield connection
    connection.close()


def test_the_same_thread_asked_again_starts_anew(
    frames: FrameStore, clip: Path, database: sqlite3.Connection
) -> None:
    policy = ScriptedPolicy(TWO_LOOKS)
    compiled = build_graph(policy, frames=frames).builder.compile(
        checkpointer=SqliteSaver(database)
    )
    first = compiled.invoke(
        {"video": str(clip), "question": QUESTION, "options": ["red", "yellow"]}, THREAD
    )
    state = compiled.get_state(THREAD).values
    assert state["choices"] == {"A": "red", "B": "yellow"}
    assert len(state["messages"]) == 7
    second = compiled.invoke({"video": str(clip), "question": "Anything at 3?"}, THREAD)
    state = compiled.get_state(THREAD).values
    assert second["trajectory_id"] != first["trajectory_id"]
    assert len(state["messages"]) == 7
    assert all(message.id.startswith(second["trajectory_id"]) for message in state["messages"])
    assert state["choices"] == {}, "the first question's options are not the second's"
    third = compiled.invoke({"question": "And once more?"}, THREAD)
    assert (third["answer"], third["stop_reason"]) == ("yellow", "answered")
    assert [request.messages[1].content[-14:] for request in policy.requests[3::3]] == [
        "Anything at 3?",
        "And once more?",
    ]


def test_nothing_of_an_earlier_episode_is_left(
    frames: FrameStore, clip: Path, database: sqlite3.Connection
) -> None:
    """Forced, then failed at once, then answered freely, on one thread."""
    endings = iter([TWO_LOOKS[0], answer("red"), PolicyError("down"), TWO_LOOKS[0], answer("blue")])
    graph = build_graph(ScriptedPolicy(lambda _: next(endings)), frames=frames)
    compiled = graph.builder.compile(checkpointer=SqliteSaver(database))
    given: Any = {"video": str(clip), "question": QUESTION}
    assert compiled.invoke(given, THREAD, context=Context(max_turns=2))["stop_reason"] == "forced"
    failed = compiled.invoke(given, THREAD)
    assert (failed["answer"], failed["evidence"]) == (None, [])
    assert failed["stop_reason"] == "policy_error"
    state = compiled.get_state(THREAD).values
    assert [message.type for message in state["messages"]] == ["system", "human"]
    assert state["error"] == "down"
    last = compiled.invoke(given, THREAD)
    assert (last["answer"], last["stop_reason"]) == ("blue", "answered")
    assert compiled.get_state(THREAD).values["error"] is None


def test_resumed_while_the_server_is_away(
    frames: FrameStore, clip: Path, database: sqlite3.Connection
) -> None:
    """A look needs the policy's cost rule: without the server it waits, and nothing is lost."""

    def graph(policy: Any) -> Any:
        stopping = build_graph(policy, frames=frames)
        return stopping.builder.compile(
            checkpointer=SqliteSaver(database), interrupt_before=["action"]
        )

    given: Any = {"video": str(clip), "question": QUESTION}
    with OpenAIServer([TWO_LOOKS[0], answer("red")]) as server:
        graph(OpenAIPolicy(server.base_url)).invoke(given, THREAD)
        away = OpenAIPolicy(unused_address(), max_retries=0)
        with pytest.raises(PolicyUnavailable) as raised:
            graph(away).invoke(None, THREAD)
        assert "\n" not in str(raised.value)
        back = graph(OpenAIPolicy(server.base_url)).invoke(None, THREAD)
    assert (back["answer"], back["stop_reason"]) == ("red", "answered")
