"""The data sets of the miniature, made of episodes that teachers really play on real videos."""

from __future__ import annotations

from pathlib import Path

import pytest
from datasets import load_dataset
from random_model import random_model

from eva_graph.evaluation import EvalQuestion
from eva_graph.graph import wire
from eva_graph.policy.protocol import PolicyRequest
from eva_graph.trajectory import RunStore
from eva_graph.videos import OpenVideos
from eva_graph_tools import FrameStore, VisualGrid
from eva_graph_training.data.attempts import Player
from eva_graph_training.data.overview import overview
from eva_graph_training.data.tasks import Task
from eva_graph_training.data.writing import Failure, read_reply, writing_request
from eva_graph_training.errors import DataError
from eva_graph_training.miniature.footage import asked_about, film_world, plots_of, unseen_videos
from eva_graph_training.miniature.judging import write_judge_rows
from eva_graph_training.miniature.passive import show_passively, uniform
from eva_graph_training.miniature.plan import MiniaturePlan, load_plan
from eva_graph_training.miniature.playing import ACCEPTED, teach
from eva_graph_training.miniature.resampling import WASTEFUL, label_attempts
from eva_graph_training.miniature.styles import careful
from eva_graph_training.miniature.writer import WritingTeacher
from eva_graph_training.world.solver_policy import SolverPolicy
from eva_graph_training.world.solving import next_turn
from eva_graph_training.world.wording import read_question

pytestmark = pytest.mark.slow

SMALL = (
    "world={train_videos: 2, unseen_videos: 1, test_videos: 1, ood_videos: 1}",
    "world_seconds=90",
    "processes=1",
    "kto.rows=8",
)


@pytest.fixture(scope="module")
def plan() -> MiniaturePlan:
    return load_plan("smoke", overrides=SMALL)


@pytest.fixture(scope="module")
def world(plan: MiniaturePlan, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("world")
    counts = film_world(folder, plan)
    assert counts["train videos"] == 2
    assert counts["train questions"] == len(asked_about(folder, "train")) >= 12
    assert not any(one.missing for one in asked_about(folder, "test"))
    return folder


@pytest.fixture(scope="module")
def taught(plan: MiniaturePlan, world: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("taught")
    counts = teach(folder, plan, "styles", asked_about(world, "train"))
    rows = load_dataset("parquet", data_files=str(folder / "train/train.parquet"), split="train")
    assert counts[ACCEPTED] == len(rows) >= 12
    return folder


def test_a_teacher_plays_nothing_twice(plan: MiniaturePlan, world: Path, taught: Path) -> None:
    before = {record.trajectory_id for record in RunStore(taught / "run-0").records()}
    teach(taught, plan, "styles", asked_about(world, "train"))
    assert {record.trajectory_id for record in RunStore(taught / "run-0").records()} == before
    accepted = [r for r in RunStore(taught / "run-0").records() if ACCEPTED in r.labels]
    assert all(record.correct for record in accepted)
    assert len({record.question_id for record in accepted}) == len(accepted)


def test_waste_is_judged_against_the_cheapest_success(
    plan: MiniaturePlan, world: Path, tmp_path: Path
) -> None:
    questions = [
        one
        for one in asked_about(world, "train")
        if read_question(one.question).kind in ("time", "small_print", "no_look")
    ]
    player = _player(world, tmp_path / "run", questions)
    for question in questions:
        for number in range(2):  # the seed is the manner: careful, then efficient
            player.play(Task(question=question, video_id=""), number)
    by_key = {one.question_id: one for one in questions}
    counts = label_attempts(player.store, by_key, plan.kto, seed=0)
    assert counts["success"] == counts[WASTEFUL] == len(questions)
    for record in player.store.records():
        wasteful = record.context["seed"] == 0
        assert record.labels == ([WASTEFUL] if wasteful else [])
        assert record.desirable in (None, not wasteful)
    assert counts["desirable"] == counts["undesirable"] == 4
    one_side = _player(world, tmp_path / "one", questions[:1])
    one_side.play(Task(question=questions[0], video_id=""), 1)
    with pytest.raises(DataError, match="1 desirable and 0 undesirable"):
        label_attempts(one_side.store, by_key, plan.kto, seed=0)


def _player(world: Path, run: Path, questions: list[EvalQuestion]) -> Player:
    plots = plots_of({Path(one.video) for one in questions})
    policy = SolverPolicy(plots, lambda task, seed: next_turn if seed else careful)
    recipe = load_plan("smoke").recipe
    wiring = wire(policy, tools=recipe.episode.tools, videos=OpenVideos())
    return Player(wiring, run, context=recipe.episode.context(), seed=0)


def test_failures_become_questions_of_their_kinds_about_another_video(
    world: Path, tmp_path: Path
) -> None:
    (path,) = unseen_videos(world)
    plots = plots_of({path})
    frames = FrameStore(tmp_path)
    with OpenVideos().use(str(path)) as video:
        blocks = overview(video, frames, grid=VisualGrid(), look_budget=600)
    failed = [
        Failure(question="What code is below the sign at 00:10?", answer="123"),
        Failure(question="What letter is on the sign at 00:10?", answer="A"),
        Failure(question="What colour is the cat?", answer="blue"),
    ]
    messages = writing_request(failed, blocks, count=4, length_seconds=80)
    request = PolicyRequest(messages=messages, load_frame=frames.read, conversation_id="w")
    teacher = WritingTeacher(plots)
    reading = read_reply(teacher.generate(request).text, count=4)
    assert len(reading.written) == 4
    assert not reading.refused
    kinds = [read_question(one.question).kind for one in reading.written]
    assert sorted(kinds) == ["small_print", "small_print", "time", "time"]
    (plot,) = plots.values()
    for one, kind in zip(reading.written, kinds, strict=True):
        minutes, seconds = (read_question(one.question).time or "").split(":")
        card = plot.card_at(60 * int(minutes) + int(seconds))
        assert one.answer == (card.letter if kind == "time" else card.code)
    blind = PolicyRequest(messages=messages[1:], load_frame=frames.read, conversation_id="b")
    assert "cannot be known" in teacher.generate(blind).text


def test_passive_rows_show_uniform_frames_and_the_answer_alone(world: Path, tmp_path: Path) -> None:
    questions = asked_about(world, "train")[:6]
    model = random_model(tmp_path / "model")
    show_passively(tmp_path / "data", model, uniform(64, 0.5), questions)
    file = tmp_path / "data/train/train.parquet"
    rows = load_dataset("parquet", data_files=str(file), split="train")
    assert len(rows) == 6
    told = []
    for row in rows:
        asked, answered = row["messages"]
        assert asked["role"] == "user"
        assert [part["type"] for part in asked["content"]].count("image") == 4  # of 16 tokens
        (part,) = answered["content"]
        told.append(part["text"])
    assert sorted(told) == sorted(f"<answer>{one.answer}</answer>" for one in questions)


def test_the_judge_learns_the_form_in_which_it_will_be_asked(taught: Path, tmp_path: Path) -> None:
    runs = [taught / "run-0"]
    counts = write_judge_rows(runs, tmp_path, most=3)
    file = tmp_path / "train/train.parquet"
    rows = load_dataset("parquet", data_files=str(file), split="train")
    assert counts == {"rows": 3}
    assert len(rows) == 3
    for row in rows:
        system, user, reply = row["messages"]
        assert [one["role"] for one in row["messages"]] == ["system", "user", "assistant"]
        assert "Reply with the option's letter alone" in system["content"][0]["text"]
        assert user["content"][0]["text"].startswith("Frame at [")
        assert reply["content"][0]["text"] in {f"<answer>{letter}</answer>" for letter in "ABCD"}
    with pytest.raises(DataError, match="no accepted episode"):
        write_judge_rows(runs, tmp_path / "none", most=0)
