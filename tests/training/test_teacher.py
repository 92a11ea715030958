"""The teacher plays through the real graph, knows only what it saw, and decides something."""

from pathlib import Path

import pytest

from eva_graph.dialects.parsing import read_corrected
from eva_graph.dialects.turn import Answer, Calls, parse_plan, split_parts
from eva_graph.graph import build_graph
from eva_graph.state import Context
from eva_graph.trajectory import Trajectory, read_records
from eva_graph_tools import Video, VisualGrid
from eva_graph_training.nano.play import play
from eva_graph_training.world.questions import event_questions
from eva_graph_training.world.render import render
from eva_graph_training.world.schedule import Event, World, make_world, move_event
from eva_graph_training.world.sets import WorldSetPlan
from eva_graph_training.world.teacher import Sighting, Task, next_turn
from eva_graph_training.world.teacher_policy import TeacherPolicy, read_task

PLAN = WorldSetPlan(first_seed=40, short_videos=6, long_videos=1)


@pytest.fixture(scope="module")
def played(tmp_path_factory: pytest.TempPathFactory) -> list[Trajectory]:
    folder = tmp_path_factory.mktemp("played")
    tally = play(PLAN, videos=folder / "videos", run=folder / "run")
    assert tally.wrong == []
    records = list(read_records(folder / "run"))
    assert tally.episodes == len(records) > 25
    assert tally.three_looks_or_miss >= 0.2 * tally.episodes
    return records


def test_every_episode_is_short_and_ends_with_an_answer(played: list[Trajectory]) -> None:
    assert {record.stop_reason for record in played} == {"answered"}
    assert max(len(record.turns) for record in played) <= 6


def test_plans_offer_candidates_whose_estimates_equal_the_tools_rule(
    played: list[Trajectory],
) -> None:
    grid = VisualGrid()
    for record in played:
        for turn in record.turns[:-1]:
            assert len(turn.plan.candidates) >= 2
            assert turn.plan.chosen == [0]
            for look in turn.plan.candidates:
                frames, resize = look.arguments["nframes"], look.arguments["resize"]
                cost = grid.estimate(224, 224, resize, frames)
                assert look.estimated_visual_tokens == cost
            (call,) = turn.calls
            assert call.requested == turn.plan.candidates[0].arguments
            assert call.visual_tokens == turn.plan.candidates[0].estimated_visual_tokens
            assert call.notes == []


def test_every_number_of_a_call_is_a_constant_or_in_view(played: list[Trajectory]) -> None:
    for record in played:
        view = record.messages[1]["content"]
        for turn, reply in zip(record.turns, record.messages[3::2], strict=False):
            for call in turn.calls:
                assert str(call.requested["end_time"]) in view
                assert call.requested["start_time"] in (0, call.requested["end_time"])
                assert call.tool == "frame_select"
            view += "".join(part.get("text", "") for part in reply["content"])


def test_a_question_is_played_once(played: list[Trajectory], tmp_path: Path) -> None:
    plan = WorldSetPlan(first_seed=90, short_videos=1, long_videos=0)
    for _ in range(2):
        play(plan, videos=tmp_path / "videos", run=tmp_path / "run")
    (shard,) = (tmp_path / "run" / "records").iterdir()
    lines = shard.read_text().splitlines()
    assert len(lines) == len(list(read_records(tmp_path / "run")))


def test_moving_the_event_outside_all_that_was_seen_changes_no_call(tmp_path: Path) -> None:
    world, event = missed_by_the_first_scan()
    question = event_questions(world)[world.events.index(event)].text
    calls, seen = watch(world, question, tmp_path / "before")
    scanned = {round(t, 3) for t in seen[0]}
    elsewhere = next(
        start
        for start in range(world.duration_seconds - 10)
        if start not in range(event.start_seconds - 10, event.end_seconds + 1)
        and is_free(world, event, start, scanned)
    )
    moved_calls, moved_seen = watch(
        move_event(world, event.colour, elsewhere), question, tmp_path / "after"
    )
    assert moved_calls[:2] == calls[:2]
    assert moved_seen[:2] == seen[:2]
    assert moved_calls[2] != calls[2]


def missed_by_the_first_scan() -> tuple[World, Event]:
    for seed in range(1000):
        world = make_world(seed, 170)
        for event in world.events:
            task = Task(question=f"… while the border is {event.colour}?", length_seconds=170)
            frames = [t * 170 / 12 for t in range(13)]
            near = [t for t in frames if event.start_seconds - 9 <= t <= event.end_seconds + 9]
            length = event.end_seconds - event.start_seconds
            if len(near) == 2 and length == 4 and "12" in next_turn(task, []):
                return world, event
    raise AssertionError("no such world")


def is_free(world: World, event: Event, start: int, scanned: set[float]) -> bool:
    length = event.end_seconds - event.start_seconds
    if any(start <= time < start + length for time in scanned):
        return False
    try:
        move_event(world, event.colour, start)
    except ValueError:
        return False
    return True


def watch(world: World, question: str, folder: Path) -> tuple[list[dict], list[list[float]]]:
    folder.mkdir()
    path = folder / "world.mp4"
    render(world, path)
    with Video.open(path) as video:
        policy = TeacherPolicy({video.video_id: world})
    graph = build_graph(policy)
    graph.invoke(
        {"video": str(path), "question": question}, context=Context(record=str(folder / "run"))
    )
    (record,) = read_records(folder / "run")
    calls = [call for turn in record.turns for call in turn.calls]
    seen = [[frame.ref["pts_seconds"] for frame in call.frames] for call in calls]
    return [call.requested for call in calls], seen


def test_a_look_that_shows_no_such_border_is_told_and_followed_by_a_denser_one() -> None:
    task = Task(question="What letter is on the sign while the border is red?", length_seconds=90)
    world = make_world(3, 90)
    nothing = [
        Sighting(
            label="00:03",
            width_pixels=56,
            moment=world.moment_at(world.events[0].start_seconds - 0.5),
        )
    ] * 12
    first, second = next_turn(task, []), next_turn(task, [nothing])
    assert split_parts(second).reflection == "The red border is in none of these frames."
    frames = [
        parse_plan(split_parts(text).plan).candidates[0].arguments["nframes"]
        for text in (first, second)
    ]
    assert frames == [12, 30]


def test_turns_are_read_back_by_the_dialect() -> None:
    task = Task(question="What letter is on the sign at 01:10?", length_seconds=90)
    outcome = read_corrected(next_turn(task, []), truncated=False)
    assert isinstance(outcome, Calls)
    moment = make_world(3, 90).moment_at(70)
    close = Sighting(label="01:10", width_pixels=224, moment=moment)
    assert read_corrected(next_turn(task, [[close]]), truncated=False) == Answer(text=moment.letter)


def test_unknown_questions_and_openings_are_refused() -> None:
    with pytest.raises(ValueError, match="does not know"):
        next_turn(Task(question="Why?", length_seconds=60), [])
    with pytest.raises(ValueError, match="not an opening"):
        read_task("Why?")
