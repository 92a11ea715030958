"""The world is a function of its seed, and its files show what its schedule says."""

from collections import Counter
from itertools import pairwise

import numpy as np
import pytest

from eva_graph_tools import Video
from eva_graph_training.world.questions import event_questions, time_question
from eva_graph_training.world.render import KEY_INTERVAL_FRAMES, render
from eva_graph_training.world.scene import BORDER_COLOURS, BORDER_PIXELS, LETTERS, draw
from eva_graph_training.world.schedule import EVENT_SECONDS, World, make_world, move_event
from eva_graph_training.world.sets import WorldSetPlan, world_set

SEEDS = range(40)


def worlds() -> list[World]:
    return [make_world(seed, 60 + 3 * seed) for seed in SEEDS]


def test_equal_seeds_give_equal_worlds_and_other_seeds_others() -> None:
    assert make_world(7, 90) == make_world(7, 90)
    assert make_world(7, 90) != make_world(8, 90)


def test_equal_worlds_give_equal_files(tmp_path) -> None:
    world = make_world(11, 60)
    for name in ("a.mp4", "b.mp4"):
        render(world, tmp_path / name)
    assert (tmp_path / "a.mp4").read_bytes() == (tmp_path / "b.mp4").read_bytes()


def test_a_file_shows_its_schedule(tmp_path) -> None:
    world = make_world(12, 60)
    render(world, tmp_path / "world.mp4")
    changes = [card.start_seconds for card in world.cards]
    times = [t for change in changes for t in (change, change + 0.5, change - 0.1) if t >= 0]
    with Video.open(tmp_path / "world.mp4") as video:
        assert video.info.duration_seconds == world.duration_seconds
        assert (video.info.codec, video.info.average_fps) == ("h264", 10.0)
        for frame in video.frames_at(times):
            expected = draw(world.style, world.moment_at(frame.pts_seconds + 1e-6))
            error = np.abs(frame.to_numpy().astype(int) - expected.astype(int))
            assert error.mean() < 4


def test_key_frames_come_every_two_seconds(tmp_path) -> None:
    world = make_world(13, 60)
    render(world, tmp_path / "world.mp4")
    with Video.open(tmp_path / "world.mp4") as video:
        frames = video.frame_select(0, 60, nframes=12, mode="auto")
    interval_seconds = KEY_INTERVAL_FRAMES / 10
    assert all(frame.pts_seconds % interval_seconds == 0 for frame in frames)


def test_cards_cover_the_video_without_gaps() -> None:
    for world in worlds():
        assert world.cards[0].start_seconds == 0
        assert world.cards[-1].end_seconds == world.duration_seconds
        for before, after in pairwise(world.cards):
            assert before.end_seconds == after.start_seconds
            assert before.letter != after.letter


def test_every_colour_is_at_most_one_event_over_one_steady_card() -> None:
    for world in worlds():
        colours = [event.colour for event in world.events]
        assert len(colours) == len(set(colours)) >= 2
        for event in world.events:
            length = event.end_seconds - event.start_seconds
            assert EVENT_SECONDS[0] <= length <= EVENT_SECONDS[1]
            shown = {
                world.card_at(t / 10).letter
                for t in range(event.start_seconds * 10, event.end_seconds * 10)
            }
            assert len(shown) == 1


def test_a_border_is_visible_exactly_while_its_event_lasts() -> None:
    world = make_world(14, 60)
    event = world.events[0]
    for second in range(world.duration_seconds):
        corner = draw(world.style, world.moment_at(second))[BORDER_PIXELS // 2, 5]
        shown = tuple(corner) == BORDER_COLOURS[event.colour]
        assert shown == (event.start_seconds <= second < event.end_seconds)


def test_answers_are_what_the_sign_shows_and_letters_are_balanced() -> None:
    rng = np.random.default_rng(0)
    letters: Counter[str] = Counter()
    for seed in range(300):
        world = make_world(seed, 60)
        for event, question in zip(world.events, event_questions(world), strict=True):
            assert question.answer == world.moment_at(event.start_seconds).letter
            assert event.colour in question.text
            letters[question.answer] += 1
        asked = time_question(world, rng)
        minutes, seconds = asked.text[-6:-1].split(":")
        time = int(minutes) * 60 + int(seconds)
        assert {world.moment_at(time + shift).letter for shift in (-0.9, 0, 0.9)} == {asked.answer}
        letters[asked.answer] += 1
    expected = letters.total() / len(LETTERS)
    chi_squared = sum((letters[one] - expected) ** 2 / expected for one in LETTERS)
    assert chi_squared < 31.3  # 0.1 % of fair draws exceed this with 11 degrees of freedom


def test_a_moved_event_takes_its_letter_along() -> None:
    world = make_world(15, 120)
    event = world.events[0]
    letter = world.card_at(event.start_seconds).letter
    places = (t for t in range(100) if t != event.start_seconds)
    free = next(t for t in places if can_move(world, event.colour, t))
    moved = move_event(world, event.colour, free)
    assert moved.moment_at(free).border == event.colour
    assert moved.moment_at(free).letter == letter
    assert sum(card.end_seconds - card.start_seconds for card in moved.cards) >= 120 - 10


def can_move(world: World, colour: str, start_seconds: int) -> bool:
    try:
        move_event(world, colour, start_seconds)
    except ValueError:
        return False
    return True


def test_a_video_too_short_for_events_is_refused() -> None:
    with pytest.raises(ValueError, match="60 seconds or more"):
        make_world(1, 59)


def test_sets_are_a_function_of_their_plan() -> None:
    plan = WorldSetPlan(first_seed=5, short_videos=4, long_videos=2, events_per_short=2)
    tasks = list(world_set(plan))
    assert tasks == list(world_set(plan))
    assert [task.world.duration_seconds > 180 for task in tasks] == [True, True] + [False] * 4
    kinds = Counter(question.kind for task in tasks for question in task.questions)
    assert kinds == {"time": 16, "event": 8}
    assert len({task.file_name for task in tasks}) == 6
