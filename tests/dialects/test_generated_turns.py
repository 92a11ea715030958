"""100,000 generated policy outputs through parser and router of every dialect: none raises.

What they leave in the state can be checkpointed and recorded, and every call is either put within
budget or refused with one line for the policy.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest
from dialect_parts import video_info
from generated_turns import TurnGenerator
from langgraph.checkpoint.serde.jsonplus import JsonPlusSerializer

from eva_graph.dialects import (
    Dialect,
    EvaDialect,
    Malformed,
    NativeDialect,
    Question,
    ReferenceDialect,
)
from eva_graph.dialects.json_values import encodable
from eva_graph.driver import run_sync
from eva_graph.episode import NodeRun, Wiring
from eva_graph.look import read_outcome
from eva_graph.nodes import NODES
from eva_graph.policy.protocol import NativeCall
from eva_graph.policy_calls import PolicyCalls
from eva_graph.state import AgentState, Context, Draft, Spent, StopReason
from eva_graph.testing import ScriptedPolicy
from eva_graph.trajectory.recorder import Recorders
from eva_graph_tools import TOOLS, FrameStore, ToolError, VisualGrid

OUTPUTS = 100_000
EVERY = 50
"""One output in so many is also written to a strict checkpoint and read back."""
INFO = video_info(duration_seconds=8)
STORE = JsonPlusSerializer()
Route = Callable[[str, list[NativeCall], int], dict[str, Any]]


@pytest.fixture(params=[EvaDialect(), ReferenceDialect(), NativeDialect()], ids=lambda d: d.name)
def dialect(request: pytest.FixtureRequest) -> Dialect:
    return request.param


@pytest.fixture
def route(dialect: Dialect, frames: FrameStore, clip: Path) -> Route:
    """What the plan node, which reads a turn and routes it, writes into the state."""
    wiring = Wiring(
        policy=ScriptedPolicy([]), dialect=dialect, tools=TOOLS, recorders=Recorders(frames)
    )
    run = NodeRun(
        context=Context(),
        thread_id="",
        namespace="",
        task_id="",
        attempt=1,
        emit=lambda event: None,
    )

    def routed(text: str, native_calls: list[NativeCall], number: int) -> dict[str, Any]:
        draft = Draft(
            text=encodable(text),
            spans=[],
            native_calls=[asdict(call) for call in native_calls],
            finish_reason="length" if number % 50 == 0 else "stop",
            complete=True,
            prompt_tokens=None,
            completion_tokens=None,
            requests=1,
            seconds=0.0,
            images_in="tool",
        )
        state = AgentState(
            video=str(clip),
            question="Which colour?",
            trajectory_id=str(number),
            messages=[],
            turn=6 if number % 50 == 1 else 1,
            draft=draft,
            spent=Spent(turns=1, frames=0, visual_tokens=0, context_tokens=0),
            forced="budget" if number % 50 == 2 else None,
        )
        return run_sync(NODES["plan"](wiring, run, state), PolicyCalls({}))

    return routed


def fate(dialect: Dialect, call: Any) -> str:
    """Whether a call would run; a refusal is one line, and short."""
    try:
        look = dialect.prepare(call, tools=TOOLS, info=INFO, grid=VisualGrid(), look_budget=12_000)
    except ToolError as error:
        refusal = str(error)
    else:
        json.dumps([look.applied, look.notes], ensure_ascii=False, allow_nan=False).encode()
        assert 0 < look.estimated_visual_tokens < 40_000
        return "runs"
    refusal.encode()
    assert "\n" not in refusal
    assert len(refusal) < 1000
    return "refused"


def check_told(dialect: Dialect, text: str, calls: list[NativeCall], number: int) -> None:
    """The messages about this turn can be kept in a checkpoint."""
    outcome = read_outcome(dialect, text, message_id="m", native_calls=calls)
    messages = [dialect.assistant(encodable(text), calls, "m")]
    if isinstance(outcome, Malformed):
        messages += dialect.complain(
            outcome.error,
            call_ids=outcome.call_ids,
            question=Question(text="Which colour?"),
            closing="answer_now",
            message_id=str(number),
        )
        assert len(outcome.error) < 400
    assert STORE.loads_typed(STORE.dumps_typed(messages)) == messages


def test_none_raises(dialect: Dialect, route: Route) -> None:
    generator = TurnGenerator(seed=20261122)
    seen: Counter[str] = Counter()
    for number in range(OUTPUTS):
        text = generator.turn()
        native_calls = generator.native_calls() if dialect.native_tools else []
        update = route(text, native_calls, number)
        json.dumps(update, ensure_ascii=False, allow_nan=False).encode()
        for call in update["calls"]:
            seen[fate(dialect, call)] += 1
        ended = update.get("stop_reason")
        seen["goes on" if ended is None else StopReason(ended).value] += 1
        if number % EVERY == 0:
            assert STORE.loads_typed(STORE.dumps_typed(update)) == update
            check_told(dialect, text, native_calls, number)
    expected = {"runs", "refused", "goes on", "answered"}
    expected |= {"truncated", "no_answer", "budget"} if dialect.repairs else {"no_valid_tool_call"}
    assert {what for what, count in seen.items() if count > 50} >= expected
