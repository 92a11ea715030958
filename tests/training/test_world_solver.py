"""The solver finds every answer through the real graph and tools, within six turns and budget."""

from collections import defaultdict
from dataclasses import replace
from pathlib import Path
from string import ascii_uppercase

import numpy as np
import pytest

from eva_graph.graph import build_graph
from eva_graph.known import Reference
from eva_graph.state import Context
from eva_graph.trajectory import Trajectory, read_records
from eva_graph_tools import Video
from eva_graph_training.world.asking import KINDS, ask
from eva_graph_training.world.dials import HARD, NORMAL
from eva_graph_training.world.filming import film
from eva_graph_training.world.plot import Plot
from eva_graph_training.world.plotting import make_plot
from eva_graph_training.world.solver_policy import TOOLS, SolverPolicy, read_task
from eva_graph_training.world.solving import Seen, Task, next_turn
from eva_graph_training.world.wording import read_question

VISUAL_BUDGET = 700
VIDEOS = [
    (51, 70, replace(NORMAL, subtitled_share=1.0)),
    (52, 175, HARD),
    (54, 300, HARD),
]


@pytest.fixture(scope="module")
def played(tmp_path_factory: pytest.TempPathFactory) -> list[Trajectory]:
    folder = tmp_path_factory.mktemp("solved")
    for seed, seconds, dials in VIDEOS:
        solve(make_plot(seed, seconds, dials), folder)
    return list(read_records(folder / "run"))


def solve(plot: Plot, folder: Path) -> None:
    path = folder / f"{plot.seed}.mp4"
    film(plot, path)
    with Video.open(path) as video:
        graph = build_graph(SolverPolicy({video.video_id: plot}), tools=TOOLS)
    rng = np.random.default_rng(plot.seed)
    for number in range(2 * len(KINDS)):
        question = ask(plot, KINDS[number // 2], rng, choice=number % 2 == 0)
        if question is None:
            continue
        asked = {"video": str(path), "question": question.text}
        if question.options:
            asked["options"] = dict(zip(ascii_uppercase, question.options, strict=False))
        reference = Reference(expected=question.answer)
        context = Context(
            record=str(folder / "run"), episode_visual_budget=VISUAL_BUDGET, reference=reference
        )
        graph.invoke(asked, context=context)


def test_every_kind_is_answered_right_within_six_turns(played: list[Trajectory]) -> None:
    kinds = defaultdict(list)
    for record in played:
        assert record.stop_reason == "answered"
        assert record.answer == record.expected
        assert len(record.turns) <= 6
        kinds[read_question(record.question).kind].append(record)
    assert set(kinds) == set(KINDS)
    assert {bool(record.options) for record in played} == {False, True}


def test_looks_are_taken_as_planned_at_the_cost_that_was_expected(played: list[Trajectory]) -> None:
    for record in played:
        for turn in record.turns[:-1]:
            assert len(turn.plan.candidates) >= 2
            (call,) = turn.calls
            (wanted, *_) = turn.plan.candidates
            assert (call.tool, call.requested) == (wanted.tool, wanted.arguments)
            assert (call.notes, call.visual_tokens) == ([], wanted.estimated_visual_tokens)


def test_every_number_of_a_call_is_a_constant_or_in_view(played: list[Trajectory]) -> None:
    for record in played:
        view = record.messages[1]["content"]
        for turn, reply in zip(record.turns, record.messages[3::2], strict=False):
            for call in turn.calls:
                for name in ("time", "start_time", "end_time", "query"):
                    value = call.requested.get(name, 0)
                    assert value == 0 or str(value) in view
            view += "".join(part.get("text", "") for part in reply["content"])


def test_small_print_is_read_by_a_zoom_that_costs_an_eighth_of_a_frame(
    played: list[Trajectory],
) -> None:
    zooms = [
        call
        for record in played
        if read_question(record.question).kind == "small_print"
        for turn in record.turns
        for call in turn.calls
    ]
    assert zooms
    assert {(call.tool, call.visual_tokens) for call in zooms} == {("zoom", 8)}


def test_a_missed_border_and_strange_texts_are_refused() -> None:
    task = Task(question="How many scenes are there?", options=(), length_seconds=60)
    with pytest.raises(ValueError, match="no number of scenes"):
        next_turn(task, [Seen(frames=(), text="nothing")])
    with pytest.raises(ValueError, match="not an opening"):
        read_task("Why?")
