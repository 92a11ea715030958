"""Every manner of the teacher plays through the real graph; what each costs and gets right."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import replace
from pathlib import Path
from string import ascii_uppercase

import numpy as np
import pytest

from eva_graph.graph import build_graph
from eva_graph.known import Reference
from eva_graph.state import AgentInput, Context
from eva_graph.trajectory import Trajectory, read_records
from eva_graph_tools import Video
from eva_graph_training.miniature.styles import careful, drawn_manner, fixed, hasty
from eva_graph_training.world.asking import KINDS, Question, ask
from eva_graph_training.world.dials import NORMAL
from eva_graph_training.world.filming import film
from eva_graph_training.world.plot import Plot
from eva_graph_training.world.plotting import make_plot
from eva_graph_training.world.solver_policy import TOOLS, SolverPolicy, Turns
from eva_graph_training.world.solving import Task, next_turn
from eva_graph_training.world.wording import read_question

MANNERS = {"efficient": next_turn, "careful": careful, "hasty": hasty, "fixed": fixed}


@pytest.fixture(scope="module")
def played(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[Trajectory]]:
    folder = tmp_path_factory.mktemp("manners")
    plots = [
        make_plot(61, 75, replace(NORMAL, subtitled_share=1.0)),
        make_plot(69, 200, replace(NORMAL, sparse_share=0.0)),
    ]
    for plot in plots:
        film(plot, folder / f"{plot.seed}.mp4")
    return {name: _play(plots, turns, folder, name) for name, turns in MANNERS.items()}


def _play(plots: list[Plot], turns: Turns, folder: Path, name: str) -> list[Trajectory]:
    for plot in plots:
        path = folder / f"{plot.seed}.mp4"
        with Video.open(path) as video:
            teacher = SolverPolicy({video.video_id: plot}, lambda task, seed: turns)
        graph = build_graph(teacher, tools=TOOLS)
        rng = np.random.default_rng(plot.seed)
        for number, kind in enumerate(KINDS):
            question = ask(plot, kind, rng, choice=number % 2 == 0)
            if question is not None:
                graph.invoke(_asked(path, question), context=_context(folder / name, question))
    return list(read_records(folder / name))


def _asked(path: Path, question: Question) -> AgentInput:
    asked: AgentInput = {"video": str(path), "question": question.text}
    if question.options:
        asked["options"] = dict(zip(ascii_uppercase, question.options, strict=False))
    return asked


def _context(run: Path, question: Question) -> Context:
    return Context(record=str(run), reference=Reference(expected=question.answer))


def _kinds(records: list[Trajectory]) -> dict[str, list[Trajectory]]:
    kinds: dict[str, list[Trajectory]] = defaultdict(list)
    for record in records:
        kinds[read_question(record.question).kind].append(record)
    return kinds


def test_the_careful_manner_is_right_and_dear(played: dict[str, list[Trajectory]]) -> None:
    careful_ones, efficient = _kinds(played["careful"]), _kinds(played["efficient"])
    assert set(careful_ones) == set(KINDS)
    for kind, records in careful_ones.items():
        assert all(record.correct for record in records), kind
        assert all(len(record.turns) <= 5 for record in records)
        for dear, cheap in zip(records, efficient[kind], strict=True):
            assert len(dear.turns) > 1
            assert dear.usage.visual_tokens >= cheap.usage.visual_tokens or kind == "order"
    spent = [sum(r.usage.visual_tokens for r in played[name]) for name in ("careful", "efficient")]
    assert spent[0] > 1.3 * spent[1]


def test_the_hasty_manner_always_answers_and_sometimes_misses(
    played: dict[str, list[Trajectory]],
) -> None:
    assert all(record.answer is not None for record in played["hasty"])
    right = [record.correct for record in played["hasty"]]
    assert 0.5 < sum(map(bool, right)) / len(right) < 1


def test_the_fixed_workflow_scans_looks_once_and_answers(
    played: dict[str, list[Trajectory]],
) -> None:
    assert {len(record.turns) for record in played["fixed"]} == {3}
    for record in played["fixed"]:
        assert [len(turn.calls) for turn in record.turns] == [1, 1, 0]
    assert sum(bool(record.correct) for record in played["fixed"]) >= len(played["fixed"]) - 2


def test_numbers_are_copied_or_constants(played: dict[str, list[Trajectory]]) -> None:
    """Whatever time a call names is in the question, on a label, or an end of the video."""
    for record in (record for records in played.values() for record in records):
        shown = str([message for message in record.messages if message["role"] != "assistant"])
        for call in (call for turn in record.turns for call in turn.calls):
            times = [call.requested.get(name) for name in ("start_time", "end_time", "time")]
            assert all(str(time) in shown for time in times if time not in (None, 0))


def test_manners_are_drawn_by_the_seed_in_their_shares() -> None:
    draw = drawn_manner(0.6, 0.1)
    tasks = [Task(question=f"{n}?", options=(), length_seconds=90) for n in range(2000)]
    drawn = [draw(task, 7) for task in tasks]
    assert drawn == [draw(task, 7) for task in tasks] != [draw(task, 8) for task in tasks]
    assert abs(drawn.count(careful) / 2000 - 0.6) < 0.05
    assert abs(drawn.count(hasty) / 2000 - 0.1) < 0.03
