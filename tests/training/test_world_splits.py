"""Splits share nothing, follow from their names, and are files that the evaluation reads."""

from itertools import islice
from pathlib import Path

import pytest

from eva_graph.evaluation.benchmarks.loading import load_questions
from eva_graph_training.world.asking import KINDS
from eva_graph_training.world.files import write_split
from eva_graph_training.world.splits import SPLITS, episodes, plot_of


def test_splits_share_no_video_and_begin_with_long_ones() -> None:
    taken = {name: list(episodes(name, 8)) for name in SPLITS}
    seeds = [episode.plot.seed for split in taken.values() for episode in split]
    assert len(set(seeds)) == len(seeds)
    for split in taken.values():
        seconds = [episode.plot.duration_seconds for episode in split]
        assert [length > 1200 for length in seconds] == [True] * 3 + [False] * 5


def test_a_longer_split_begins_with_a_shorter_one() -> None:
    assert list(episodes("test", 7))[:5] == list(episodes("test", 5))


def test_a_file_name_tells_the_plot() -> None:
    for episode in islice(episodes("ood", 6), 3, None):
        assert plot_of(episode.file_name) == episode.plot


@pytest.mark.parametrize(
    "name",
    ["holiday.mp4", "train-1000003-59s.mp4", "train-2000003-90s.mp4", "home-1000003-90s.mp4"],
)
def test_other_file_names_tell_nothing(name: str) -> None:
    assert plot_of(name) is None


def test_out_of_distribution_lies_outside_of_what_is_trained_on() -> None:
    train, ood = SPLITS["train"].dials, SPLITS["ood"].dials
    for dial in ("letter_pixels", "small_letter_pixels", "code_pixels"):
        assert getattr(ood, dial)[0] < getattr(train, dial)[0]
        assert getattr(ood, dial)[1] <= getattr(train, dial)[0]
    assert ood.shapes[0] >= train.shapes[1]


def test_a_video_asks_each_kind_at_most_once_and_most_kinds() -> None:
    asked = [[question.kind for question in one.questions] for one in episodes("test", 40)]
    assert all(len(set(kinds)) == len(kinds) for kinds in asked)
    assert sum(map(len, asked)) > 0.7 * 40 * len(KINDS)


def test_the_files_are_read_as_they_were_written(tmp_path: Path) -> None:
    short = [one for one in episodes("train", 40) if one.plot.duration_seconds < 75]
    assert write_split(short[:1], tmp_path) == len(short[0].questions)
    loaded = load_questions("custom", tmp_path / "questions.jsonl", tmp_path / "videos")
    for question, read in zip(short[0].questions, loaded, strict=True):
        assert (read.question, read.answer) == (question.text, question.answer)
        assert tuple(read.options.values()) == question.options
        assert read.time_reference == question.stretches
        assert (read.question_type, read.problem, read.repairs) == (question.kind, None, ())
        assert not read.missing


@pytest.mark.parametrize(("name", "videos"), [("trial", 1), ("train", 0), ("train", 1_000_001)])
def test_what_a_split_has_not_is_refused(name: str, videos: int) -> None:
    with pytest.raises(ValueError, match=r"there is no split|a split has 1 to"):
        next(episodes(name, videos))
