from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import pytest
from episodes import answer, look, span
from hypothesis import given
from hypothesis import strategies as st

from eva_graph import Context, Reference, VideoAgent
from eva_graph.errors import PolicyUnavailable
from eva_graph.evaluation import EpisodeRow, EvalQuestion, episode_row, episode_rows
from eva_graph.evaluation.stretches import saw_one, time_iou
from eva_graph.testing import Line, ScriptedPolicy, make_clip
from eva_graph.trajectory import RunStore, Trajectory
from eva_graph.trajectory.clock import utc_now

OPTIONS = {"A": "red", "B": "yellow"}


def question(number: int, video: Path, **changes: Any) -> EvalQuestion:
    fields: dict[str, Any] = {
        "benchmark": "custom",
        "question_id": f"q{number}",
        "video": str(video),
        "question": "Which colour is shown at 3 seconds?",
        "options": OPTIONS,
        "answer": "B",
    }
    return EvalQuestion(**(fields | changes))


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_clip(tmp_path_factory.mktemp("clip") / "clip.mp4", seconds=8, size=(112, 84), fps=2)


def play(clip: Path, run: Path, question_id: str, *script: Line, **context: Any) -> None:
    """Record an episode as the runner of an evaluation does."""
    reference = Reference(question_id=question_id, expected="B")
    agent = VideoAgent(ScriptedPolicy(script))
    knobs = Context(reference=reference, **context)
    agent.run(clip, "Which colour?", options=OPTIONS, record=run, context=knobs)


@pytest.fixture(scope="module")
def run(clip: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    run = tmp_path_factory.mktemp("run")
    play(clip, run, "q1", look(span(0, 8, 2)), look(span(3, 3, 1)), answer("The answer is B"))
    play(clip, run, "q2", look(span(0, 8, 2)), PolicyUnavailable("the server is down"))
    play(clip, run, "q3", look(span(0, 2, 1)), look(span(2, 4, 1)), max_turns=2)
    play(clip, run, "other", answer("A"))
    return run


@pytest.fixture(scope="module")
def rows(clip: Path, run: Path) -> list[EpisodeRow]:
    asked = [
        question(1, clip, time_reference=((3.0, 3.0),)),
        question(2, clip),
        question(3, clip, time_reference=((6.0, 7.0),)),
        question(4, clip, missing=True),
    ]
    return episode_rows(asked, RunStore(run).records())


def test_a_row_for_every_question(rows: list[EpisodeRow]) -> None:
    assert [row.question.question_id for row in rows] == ["q1", "q2", "q3", "q4"]
    assert [row.score.correct for row in rows] == [True, False, False, None]
    assert [row.failed for row in rows] == [False, True, False, False]
    assert [row.empty for row in rows] == [False, False, True, False]
    assert [row.asked for row in rows] == [True, True, True, False]
    assert rows[3].score.how == "not asked: no video"
    assert rows[1].error == "the server is down"


def test_what_an_episode_cost(rows: list[EpisodeRow]) -> None:
    first = rows[0]
    assert (first.rounds, first.frames, first.dropped_images) == (3, 3, 0)
    assert first.visual_tokens == 3 * 12
    assert first.duration_bucket == "under 2 min"
    assert first.seconds is not None
    assert first.seconds >= first.policy_seconds >= 0


def test_evidence_meets_the_time_reference(rows: list[EpisodeRow]) -> None:
    assert rows[0].time_iou == pytest.approx(1.0)
    assert rows[0].saw_reference is True
    assert (rows[2].time_iou, rows[2].saw_reference) == (0.0, False)
    assert (rows[1].time_iou, rows[1].saw_reference) == (None, None)


def test_the_reference_profile_scores_the_same_record_otherwise(clip: Path, run: Path) -> None:
    row, *_ = episode_rows([question(1, clip)], RunStore(run).records(), profile="reference")
    assert (row.answer, row.score.correct) == ("The answer is B", False)


def test_the_latest_record_of_a_question_counts(clip: Path, run: Path) -> None:
    first = next(iter(RunStore(run).records()))
    later = {"answer": "A", "trajectory_id": "again", "finished": utc_now()}
    again = first.model_copy(update=later)
    for records in ([first, again], [again, first]):
        (row,) = episode_rows([question(1, clip)], records)
        assert (row.trajectory_id, row.score.correct) == ("again", False)


def changed(record: Trajectory, **turn: Any) -> Trajectory:
    """The record with other values in its last turn."""
    value = record.model_dump()
    value["turns"][-1] |= turn
    return Trajectory.model_validate(value)


def test_images_that_were_lost_are_noticed(clip: Path, run: Path) -> None:
    record = next(iter(RunStore(run).records()))
    asked = question(1, clip)
    assert episode_row(asked, record).dropped_images == 0
    assert episode_row(asked, changed(record, prompt_tokens=25)).dropped_images == 3
    assert episode_row(asked, changed(record, prompt_tokens=26)).dropped_images == 0
    value = record.model_dump()
    told = next(message for message in value["messages"] if message["role"] == "tool")
    told["content"] = [part for part in told["content"] if part["type"] == "text"]
    assert episode_row(asked, Trajectory.model_validate(value)).dropped_images == 2


@pytest.mark.parametrize(
    ("last_prompt", "lost"),
    [
        (400 + 36, 0),
        (400 + 28, 0),  # a token of 32 pixels' side, where 28 were reckoned with
        (400 + 20, 3),
        (400, 3),  # longer than the images alone, by the opening's text
    ],
)
def test_images_are_missed_by_how_much_the_prompt_grew(
    last_prompt: int, lost: int, clip: Path, run: Path
) -> None:
    record = changed(next(iter(RunStore(run).records())), prompt_tokens=last_prompt)
    record.turns[0].prompt_tokens = 400
    assert episode_row(question(1, clip), record).dropped_images == lost


def test_a_cut_answer_is_noticed(clip: Path, run: Path) -> None:
    record = next(iter(RunStore(run).records()))
    cut = changed(record, finish_reason="length", prompt_tokens=900, completion_tokens=50)
    row = episode_row(question(1, clip), cut)
    assert (row.truncated, row.tokens) == (True, 950)


def test_records_without_an_end_or_a_clock(clip: Path, run: Path) -> None:
    record = next(iter(RunStore(run).records()))
    for times in ({"finished": None}, {"created": "yesterday"}, {"created": "2026-01-01T00:00:00"}):
        assert episode_row(question(1, clip), record.model_copy(update=times)).seconds is None


@pytest.mark.parametrize(
    ("found", "reference", "iou"),
    [
        ([(0, 10)], [(5, 15)], 1 / 3),
        ([(0, 10)], [(0, 10)], 1.0),
        ([(0, 4), (2, 10)], [(0, 10)], 1.0),
        ([(0, 2), (8, 10)], [(0, 10)], 0.4),
        ([(0, 2)], [(5, 6)], 0.0),
        ([(7, 7)], [(7, 7)], 1.0),
        ([(5, 5)], [(0, 10)], 0.1),
        ([], [(0, 10)], 0.0),
        ([], [], 0.0),
    ],
)
def test_time_iou(found: Any, reference: Any, iou: float) -> None:
    assert time_iou(found, reference) == pytest.approx(iou)


STRETCHES = st.lists(
    st.tuples(st.floats(0, 90), st.floats(0, 30)).map(lambda pair: (pair[0], sum(pair))), max_size=6
)


@given(STRETCHES, STRETCHES)
def test_time_iou_is_symmetrical_and_bounded(first: Any, second: Any) -> None:
    measured = time_iou(first, second)
    assert measured == pytest.approx(time_iou(second, first))
    assert 0 <= measured <= 1 + 1e-9
    assert time_iou(first, first) == pytest.approx(float(bool(first)))


@given(STRETCHES.filter(bool), st.integers())
def test_a_frame_within_a_stretch_is_seen(stretches: Any, seed: int) -> None:
    start, end = random.Random(seed).choice(stretches)
    assert saw_one([-100.0, (start + end) / 2], stretches)
    assert not saw_one([-100.0, 1_000.0], stretches)
