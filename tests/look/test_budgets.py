"""Budgets: what a look may cost, what it did cost, and why the next turn has to answer."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from dialect_parts import block, frame_ref, parts_of
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from langchain_core.messages import AIMessage, HumanMessage, ToolMessage

from eva_graph.blocks import frame_block, text_block
from eva_graph.dialects import Calls, Malformed, ReferenceDialect
from eva_graph.limits import Limits, estimate_tokens
from eva_graph.look import LookExecutor, LookReply
from eva_graph.state import Context, Spent, StopReason
from eva_graph_tools import VisualGrid

Make = Callable[..., LookExecutor]
NOW = "No more looks are possible. Answer now inside <answer></answer>."


def spent(turns: int = 1, *, visual: int = 0, context: int = 0) -> Spent:
    return Spent(turns=turns, frames=0, visual_tokens=visual, context_tokens=context)


def play(executor: LookExecutor, *calls: dict[str, Any], before: Spent | None = None) -> LookReply:
    outcome = executor.read(block(*calls), message_id="m")
    assert isinstance(outcome, Calls | Malformed)
    return executor.respond(outcome, spent=before or spent(), message_id="t")


def span(start: float, end: float, nframes: int, resize: float = 1.0) -> dict[str, Any]:
    return {"start_time": start, "end_time": end, "nframes": nframes, "resize": resize}


FRAME_TOKENS = 12
"""One frame of the clip at its full 112 x 84 pixels."""


@given(
    start=st.floats(0, 7),
    length=st.floats(0.5, 8),
    nframes=st.integers(1, 60),
    resize=st.floats(0.05, 1),
    budget=st.integers(6, 400),
)
@settings(deadline=None, max_examples=60, suppress_health_check=list(HealthCheck))
def test_what_is_estimated_is_spent(
    executor: Make, start: float, length: float, nframes: int, resize: float, budget: int
) -> None:
    reply = play(executor(look_budget=budget), span(start, start + length, nframes, resize))
    (result,) = reply.results
    assert result.error is None
    assert result.applied is not None
    assert result.estimated_visual_tokens <= budget
    shown = sum(frame.width * frame.height // 28**2 for frame in result.frames)
    assert reply.spent["visual_tokens"] == result.visual_tokens == shown
    assert result.visual_tokens <= result.estimated_visual_tokens
    if len(result.frames) == result.applied["nframes"]:  # the range holds as many as asked for
        assert result.visual_tokens == result.estimated_visual_tokens


def test_each_call_has_the_look_budget(executor: Make) -> None:
    reply = play(executor(look_budget=24), span(0, 2, 2), span(2, 4, 2), span(4, 8, 9))
    assert [result.visual_tokens for result in reply.results] == [24, 24, 20]


def test_calls_share_what_the_episode_has_left(executor: Make) -> None:
    limited = executor(episode_visual_budget=5 * FRAME_TOKENS)
    reply = play(limited, span(0, 2, 2), span(2, 4, 2), span(4, 8, 4), before=spent(visual=0))
    first, second, third = reply.results
    assert [first.visual_tokens, second.visual_tokens] == [24, 24]
    assert third.notes != ()
    assert 0 < third.visual_tokens <= 12
    assert reply.spent["visual_tokens"] <= 60


def test_a_call_that_nothing_is_left_for_is_refused(executor: Make) -> None:
    limited = executor(episode_visual_budget=2 * FRAME_TOKENS)
    reply = play(limited, span(0, 2, 2), span(2, 4, 2))
    assert reply.results[0].error is None
    assert reply.results[1].error == (
        "0 visual tokens do not pay for even the smallest frame: answer with what is known"
    )
    assert reply.forced is StopReason.BUDGET
    assert NOW in str(parts_of(reply.messages[0])[-1])


def test_a_refused_call_costs_nothing(executor: Make) -> None:
    limited = executor(episode_visual_budget=2 * FRAME_TOKENS)
    reply = play(limited, span(9, 12, 2), span(2, 4, 2))
    assert [result.visual_tokens for result in reply.results] == [0, 24]


def test_the_episode_budget_is_never_exceeded(executor: Make) -> None:
    limited = executor(episode_visual_budget=100, max_turns=50)
    before = spent()
    for turn in range(1, 20):
        reply = play(limited, span(0, 8, 7), before={**before, "turns": turn})
        before = reply.spent
        assert before["visual_tokens"] <= 100
        if reply.forced:
            break
    assert reply.forced is StopReason.BUDGET
    assert before["visual_tokens"] > 94, "what is left pays for no frame"


def test_the_last_permitted_look_forces_an_answer(executor: Make) -> None:
    limited = executor(max_turns=3)
    assert play(limited, span(0, 8, 2), before=spent(1)).forced is None
    reply = play(limited, span(0, 8, 2), before=spent(2))
    assert reply.forced is StopReason.FORCED
    assert NOW in str(parts_of(reply.messages[0])[-1])


def test_a_malformed_turn_may_force_an_answer_too(executor: Make) -> None:
    limited = executor(max_turns=2)
    reply = limited.respond(Malformed(error="bad"), spent=spent(1), message_id="t")
    assert reply.forced is StopReason.FORCED
    assert NOW in str(parts_of(reply.messages[0])[-1])


def test_a_look_fits_into_what_the_context_has_left(executor: Make) -> None:
    limited = executor(context_tokens=4096)
    reply = play(limited, span(0, 8, 40), before=spent(context=3400))
    (result,) = reply.results
    assert result.visual_tokens <= 4096 - 3400 - 512
    assert result.notes != ()
    assert reply.forced is StopReason.CONTEXT_OVERFLOW
    assert reply.spent["context_tokens"] <= 4096
    assert play(limited, span(0, 8, 4), before=spent(context=100)).forced is None


@given(
    context_tokens=st.integers(1200, 6000),
    used=st.integers(0, 6000),
    calls=st.lists(st.tuples(st.integers(1, 60), st.floats(0.01, 1)), min_size=1, max_size=4),
)
@settings(deadline=None, max_examples=60, suppress_health_check=list(HealthCheck))
def test_no_look_overflows_the_context(
    executor: Make, context_tokens: int, used: int, calls: list[tuple[int, float]]
) -> None:
    reply = play(
        executor(context_tokens=context_tokens, max_turns=99),
        *[span(0, 8, nframes, resize) for nframes, resize in calls],
        before=spent(context=used),
    )
    if used <= context_tokens - context_tokens // 8 - context_tokens // 4:
        assert reply.spent["context_tokens"] <= context_tokens
    elif reply.spent["context_tokens"] > context_tokens:
        assert reply.forced is StopReason.CONTEXT_OVERFLOW


def test_nothing_but_the_look_budget_binds_the_reference(executor: Make) -> None:
    limited = executor(
        dialect=ReferenceDialect(),
        forces_answer=False,
        max_turns=1,
        episode_visual_budget=12,
        context_tokens=100,
    )
    reply = play(limited, span(0, 8, 40), before=spent(9, visual=10**6, context=10**6))
    assert len(reply.results[0].frames) == 40
    assert reply.forced is None


@pytest.mark.parametrize(
    ("limits", "used", "reason"),
    [
        ({}, spent(1), None),
        ({}, spent(4), None),
        ({}, spent(5), StopReason.FORCED),
        ({"max_turns": 1}, spent(0), StopReason.FORCED),
        ({"episode_visual_budget": 100}, spent(1, visual=96), None),
        ({"episode_visual_budget": 100}, spent(1, visual=97), StopReason.BUDGET),
        ({"episode_visual_budget": 100}, spent(1, visual=120), StopReason.BUDGET),
        ({"episode_visual_budget": 100}, spent(5, visual=100), StopReason.FORCED),
        ({"context_tokens": 8192}, spent(1, context=8192 - 512 - 1024), None),
        (
            {"context_tokens": 8192},
            spent(1, context=8192 - 512 - 1024 + 1),
            StopReason.CONTEXT_OVERFLOW,
        ),
        ({"context_tokens": 800}, spent(1, context=800 - 100 - 200), None),
        ({"context_tokens": 800}, spent(1, context=501), StopReason.CONTEXT_OVERFLOW),
        ({"forces_answer": False}, spent(99, visual=10**9, context=10**9), None),
    ],
)
def test_why_the_next_turn_has_to_answer(
    limits: dict[str, Any], used: Spent, reason: StopReason | None
) -> None:
    assert Limits(**limits).forced(used, smallest_look=4) is reason


@pytest.mark.parametrize(
    ("limits", "used", "visual", "context"),
    [
        ({}, spent(1, visual=10**6, context=10**6), None, None),
        ({"episode_visual_budget": 100}, spent(1, visual=30), 70, None),
        ({"episode_visual_budget": 100}, spent(1, visual=130), 0, None),
        ({"context_tokens": 8192}, spent(1, context=5000), None, 8192 - 5000 - 512),
        ({"context_tokens": 800}, spent(1, context=500), None, 800 - 500 - 100),
        ({"context_tokens": 8192}, spent(1, context=9000), None, 0),
        (
            {"forces_answer": False, "episode_visual_budget": 5, "context_tokens": 9},
            spent(1),
            None,
            None,
        ),
    ],
)
def test_what_is_left_for_the_calls_of_a_look(
    limits: dict[str, Any], used: Spent, visual: int | None, context: int | None
) -> None:
    assert Limits(**limits).visual_left(used) == visual
    assert Limits(**limits).context_left(used) == context


def test_limits_of_a_run() -> None:
    context = Context(max_turns=3, look_budget=70, episode_visual_budget=90)
    grid = VisualGrid(patch_pixels=32)
    assert Limits.of(context, grid, context_tokens=500, forces_answer=False) == Limits(
        max_turns=3,
        look_budget=70,
        episode_visual_budget=90,
        context_tokens=500,
        grid=grid,
        forces_answer=False,
    )


def test_tokens_of_messages_err_on_the_large_side() -> None:
    text = json.dumps({"a": 1}) * 20
    assert estimate_tokens([AIMessage(text)], VisualGrid()) == len(text) // 3 + 8
    frames = [frame_block(frame_ref(at, (112, 84))) for at in (1.0, 2.0)]
    look = ToolMessage(content=[text_block("abc"), *frames], tool_call_id="t")
    assert estimate_tokens([look, HumanMessage("")], VisualGrid()) == 8 + 1 + 2 * (12 + 2) + 8
