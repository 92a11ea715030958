"""Every answer is visible in the decoded pixels where its question says, and only there."""

import re
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from world_reading import Reading, read

from eva_graph_tools import Video
from eva_graph_tools.timecode import parse_time
from eva_graph_training.world.asking import KINDS, Question, ask
from eva_graph_training.world.dials import HARD, NORMAL
from eva_graph_training.world.filming import film
from eva_graph_training.world.plot import Plot
from eva_graph_training.world.plotting import make_plot
from eva_graph_training.world.solving import PRINT_KINDS
from eva_graph_training.world.wording import Asked, read_question

CHANGE = 40
TOLD, HARD_TOLD = (replace(dials, subtitled_share=1.0) for dials in (NORMAL, HARD))
VIDEOS = [(31, 75, TOLD), (32, 190, TOLD), (33, 75, HARD_TOLD), (34, 190, HARD_TOLD)]


class Watched:
    """A video with what its pixels and its subtitles tell, second by second."""

    def __init__(self, plot: Plot, path: Path) -> None:
        self.plot = plot
        film(plot, path)
        with Video.open(path) as video:
            # The last moment of a second as well as the first: nothing changes within one.
            seconds = range(plot.duration_seconds)
            frames = video.frames_at([second + part for second in seconds for part in (0, 0.99)])
            self.cues = video.transcript().between(0, len(seconds)) if plot.lines else []
        readings = [read(frame.to_numpy()) for frame in frames]
        self.first, self.last = readings[0::2], readings[1::2]

    def shown(self, colour: str, window: tuple[int, int]) -> list[tuple[int, int]]:
        """From and to of every showing of a border, from the pixels alone."""
        seconds = [s for s in range(*window) if self.first[s].border == colour]
        starts = [s for s in seconds if s - 1 not in seconds]
        ends = [s + 1 for s in seconds if s + 1 not in seconds]
        return list(zip(starts, ends, strict=True))


@pytest.fixture(scope="module")
def watched(tmp_path_factory: pytest.TempPathFactory) -> list[Watched]:
    folder = tmp_path_factory.mktemp("watched")
    return [
        Watched(make_plot(seed, seconds, dials), folder / f"{seed}.mp4")
        for seed, seconds, dials in VIDEOS
    ]


def test_the_pixels_show_the_plot_from_the_first_to_the_last_frame_of_each_second(
    watched: list[Watched],
) -> None:
    for one in watched:
        for readings in (one.first, one.last):
            for second, reading in enumerate(readings):
                card = one.plot.card_at(second)
                assert (reading.letter, reading.code) == (card.letter, card.code)
                assert reading.border == one.plot.border_at(second)


def test_a_background_changes_with_its_scene_and_at_no_other_time(watched: list[Watched]) -> None:
    for one in watched:
        changes = [
            second
            for second, (before, after) in enumerate(pairwise(one.last), start=1)
            if distance(before, after) > CHANGE
        ]
        assert changes == [scene.start_seconds for scene in one.plot.scenes[1:]]


def distance(one: Reading, other: Reading) -> float:
    return float(np.linalg.norm(np.subtract(one.backdrop, other.backdrop)))


@pytest.mark.parametrize("kind", KINDS)
def test_every_answer_is_visible_where_stated_and_only_there(
    kind: str, watched: list[Watched]
) -> None:
    rng = np.random.default_rng(KINDS.index(kind))
    asked = 0
    for one in watched:
        for number in range(10):
            question = ask(one.plot, kind, rng, choice=number % 2 == 0)
            if question is None:
                continue
            asked += 1
            answer, stretches = found(one, read_question(question.text))
            assert answer == right(question)
            assert stretches == list(question.stretches)
    assert asked >= 10


def right(question: Question) -> str:
    if not question.options:
        return question.answer
    assert len(set(question.options)) == len(question.options)
    return question.options["ABCD".index(question.answer)]


def found(one: Watched, asked: Asked) -> tuple[str, list[tuple[int, int]]]:
    """The answer and where it is visible, from what was decoded."""
    if asked.kind == "no_look":
        return str(len(one.first)), []
    if asked.noun is not None:
        return told(one, asked.noun)
    if asked.time is not None:
        second = int(parse_time(asked.time))
        return value_of(asked, one.first[second]), [(second, second + 1)]
    start, end = asked.window or ("0", str(len(one.first)))
    window = int(parse_time(start)), int(parse_time(end))
    if asked.kind == "scenes":
        pairs = pairwise(one.last[window[0] : window[1]])
        return str(1 + sum(distance(*pair) > CHANGE for pair in pairs)), [window]
    showings = {colour: one.shown(colour, window) for colour in asked.colours}
    spans = sorted(span for shown in showings.values() for span in shown)
    if asked.kind == "count":
        return str(len(spans)), spans
    if asked.kind == "order":
        assert len(spans) == 2
        return min(showings, key=lambda colour: showings[colour]), spans
    (span,) = spans
    (value,) = {value_of(asked, one.first[second]) for second in range(*span)}
    return value, spans


def value_of(asked: Asked, reading: Reading) -> str:
    return reading.code if asked.kind in PRINT_KINDS else reading.letter


def told(one: Watched, noun: str) -> tuple[str, list[tuple[int, int]]]:
    said = [(cue, re.fullmatch(f"The word for {noun} is (.)[.]", cue.text)) for cue in one.cues]
    ((cue, match),) = [(cue, match) for cue, match in said if match is not None]
    return match.group(1), [(round(cue.start_seconds), round(cue.end_seconds))]
