"""Per-run knobs: where they come from, and that bad ones are refused in one line."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from episodes import QUESTION, TWO_LOOKS
from langgraph.graph import END, START, StateGraph
from typing_extensions import TypedDict

from eva_graph import Context, build_graph
from eva_graph.errors import InvalidRequest
from eva_graph.graph import VideoGraph
from eva_graph.testing import ScriptedPolicy
from eva_graph_tools import FrameStore


class Parent(TypedDict, total=False):
    video: str
    question: str
    answer: str | None
    stop_reason: str


@dataclass(frozen=True)
class OtherContext:
    max_turns: str = "not ours"


def asked(clip: Path) -> dict[str, Any]:
    return {"video": str(clip), "question": QUESTION}


@pytest.fixture
def graph(frames: FrameStore) -> VideoGraph:
    return build_graph(ScriptedPolicy(TWO_LOOKS), frames=frames, context=Context(max_turns=4))


def test_without_context_the_factory_gives_it(graph: VideoGraph, clip: Path) -> None:
    assert graph.invoke(asked(clip))["stop_reason"] == "answered"


@pytest.mark.parametrize("context", [Context(max_turns=2), {"max_turns": 2}])
def test_a_run_may_bring_its_own(context: Any, graph: VideoGraph, clip: Path) -> None:
    assert graph.invoke(asked(clip), context=context)["stop_reason"] == "no_answer"


@pytest.mark.parametrize(
    ("schema", "context"),
    [(None, None), (None, {"max_turns": 2}), (OtherContext, OtherContext())],
)
def test_a_parents_context_is_not_ours(
    schema: Any, context: Any, graph: VideoGraph, clip: Path
) -> None:
    parent = StateGraph(Parent, context_schema=schema)
    parent.add_node("video", graph)
    parent.add_edge(START, "video")
    parent.add_edge("video", END)
    output = parent.compile().invoke(asked(clip), context=context)  # type: ignore[call-overload]
    assert output == {**asked(clip), "answer": "yellow", "stop_reason": "answered"}


def test_a_parent_may_pass_ours_on(graph: VideoGraph, clip: Path) -> None:
    parent = StateGraph(Parent, context_schema=Context)
    parent.add_node("video", graph)
    parent.add_edge(START, "video")
    output = parent.compile().invoke(asked(clip), context=Context(max_turns=2))  # type: ignore[arg-type]
    assert output["stop_reason"] == "no_answer"


@pytest.mark.parametrize(
    "knobs",
    [
        {"max_turns": 0},
        {"max_turns": 2.5},
        {"max_turns": True},
        {"max_new_tokens": -1},
        {"look_budget": "12000"},
        {"episode_visual_budget": 0},
        {"temperature": -1},
        {"temperature": float("nan")},
        {"temperature": "hot"},
        {"seed": 1.5},
        {"calls": "sometimes"},
        {"record": Path("runs")},
    ],
)
def test_bad_knobs(knobs: dict[str, Any]) -> None:
    with pytest.raises(InvalidRequest) as raised:
        Context(**knobs)
    assert next(iter(knobs)) in str(raised.value)
    assert "\n" not in str(raised.value)
