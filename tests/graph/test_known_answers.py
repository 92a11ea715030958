"""What a caller knows of the right answer reaches the record and nothing else."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from episodes import QUESTION, TWO_LOOKS
from langgraph.checkpoint.memory import InMemorySaver

from eva_graph import Context, Reference, VideoAgent, build_graph
from eva_graph.errors import InvalidRequest
from eva_graph.testing import ScriptedPolicy
from eva_graph.trajectory import read_records
from eva_graph_tools import FrameStore

KNOWN = Reference(expected="heliotrope", question_id="set-17", time_reference=((2, 3.5),))


def test_the_record_has_it_and_the_policy_does_not(
    frames: FrameStore, clip: Path, tmp_path: Path
) -> None:
    policy = ScriptedPolicy(TWO_LOOKS)
    agent = VideoAgent(policy, frames=frames)
    result = agent.run(clip, QUESTION, record=tmp_path / "run", context=Context(reference=KNOWN))
    (record,) = read_records(tmp_path / "run")
    assert record == result.trajectory
    assert (record.expected, record.question_id) == ("heliotrope", "set-17")
    assert record.time_reference == [(2.0, 3.5)]
    assert record.correct is False
    assert "reference" not in record.context
    for request in policy.requests:
        told = str((request.messages, request.tools))
        assert "heliotrope" not in told
        assert "set-17" not in told


def test_it_is_not_in_the_state(frames: FrameStore, clip: Path) -> None:
    graph = build_graph(ScriptedPolicy(TWO_LOOKS), frames=frames)
    compiled = graph.builder.compile(checkpointer=InMemorySaver())
    thread: Any = {"configurable": {"thread_id": "1"}}
    asked: Any = {"video": str(clip), "question": QUESTION}
    compiled.invoke(asked, thread, context=Context(reference=KNOWN))
    assert "heliotrope" not in str([state.values for state in compiled.get_state_history(thread)])


def test_it_may_be_plain_json(frames: FrameStore, clip: Path, tmp_path: Path) -> None:
    graph = build_graph(ScriptedPolicy(TWO_LOOKS), frames=frames)
    context: Any = {
        "record": str(tmp_path / "run"),
        "reference": {"expected": "yellow", "time_reference": [[3, 4]]},
    }
    graph.invoke({"video": str(clip), "question": QUESTION}, context=context)
    (record,) = read_records(tmp_path / "run")
    assert record.correct is True
    assert record.time_reference == [(3.0, 4.0)]


@pytest.mark.parametrize(
    ("given", "error"),
    [
        ({"expected": 3}, "expected must be text"),
        ({"question_id": ["a"]}, "question_id must be text"),
        ({"answer": "B"}, "reference has no such fields"),
        ({"time_reference": "soon"}, "time_reference must be pairs of seconds"),
        ({"time_reference": [(5, 3)]}, "time_reference 5 to 3 s is no stretch"),
        ({"time_reference": [(0, float("inf"))]}, "is no stretch"),
        ({"time_reference": [(1, 2, 3)]}, "time_reference must be pairs of seconds"),
    ],
)
def test_what_makes_no_sense_is_refused(given: Any, error: str) -> None:
    with pytest.raises(InvalidRequest, match=error):
        Context(reference=given)
