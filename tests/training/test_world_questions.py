"""Questions of the grown-up world: their words, their ranges and what cannot be guessed."""

from collections import Counter
from string import ascii_uppercase

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from eva_graph_tools.timecode import parse_time
from eva_graph_training.world.asking import KINDS, SEARCHED_SECONDS, Question, ask
from eva_graph_training.world.dials import HARD, NORMAL
from eva_graph_training.world.plotting import make_plot
from eva_graph_training.world.wording import Kind, read_question

SEARCHES = ("event", "event_print", "order")


@settings(max_examples=150, deadline=None)
@given(
    st.integers(0, 2**31),
    st.integers(60, 1500),
    st.sampled_from([NORMAL, HARD]),
    st.sampled_from(KINDS),
    st.booleans(),
)
def test_what_a_question_names_can_be_read_from_it(seed, seconds, dials, kind, choice) -> None:
    question = ask(
        make_plot(seed, seconds, dials), kind, np.random.default_rng(seed), choice=choice
    )
    if question is None:
        return
    asked = read_question(question.text)
    assert asked.kind == kind
    long = seconds > SEARCHED_SECONDS
    assert (asked.window is not None) == (
        kind in ("short_event", "count", "scenes") or (kind in SEARCHES and long)
    )
    if asked.window is not None:
        start, end = (parse_time(edge) for edge in asked.window)
        assert 0 <= start < end <= seconds
        assert end - start <= 120
        assert all(start <= first < last <= end for first, last in question.stretches)
    if choice:
        assert 2 <= len(question.options) <= 4
        assert question.answer in ascii_uppercase[: len(question.options)]


def test_equal_random_numbers_ask_the_same() -> None:
    plot = make_plot(1, 100, NORMAL)
    for kind in KINDS:
        one, other = (ask(plot, kind, np.random.default_rng(5), choice=True) for _ in range(2))
        assert one == other


def questions(kind: Kind, *, choice: bool) -> list[Question]:
    rng = np.random.default_rng(3)
    plots = (make_plot(seed, 60 + seed % 400, NORMAL) for seed in range(400))
    asked = [ask(plot, kind, rng, choice=choice) for plot in plots]
    return [question for question in asked if question is not None]


@pytest.mark.parametrize("kind", KINDS)
def test_the_right_option_has_no_favourite_letter(kind: Kind) -> None:
    asked = questions(kind, choice=True)
    options = len(asked[0].options)
    letters = Counter(question.answer for question in asked)
    expected = len(asked) / options
    chi_squared = sum(
        (letters[letter] - expected) ** 2 / expected for letter in ascii_uppercase[:options]
    )
    assert chi_squared < (16.3 if options == 4 else 10.9)  # 0.1 % of fair draws exceed this


@pytest.mark.parametrize("kind", ["count", "scenes"])
def test_no_number_is_the_answer_more_than_half_of_the_time(kind: Kind) -> None:
    answers = Counter(question.answer for question in questions(kind, choice=False))
    assert len(answers) == 5
    assert max(answers.values()) < 0.5 * answers.total()


def test_codes_to_choose_from_do_not_point_at_the_right_one() -> None:
    """Whoever takes the code whose digits most options share is right no more than by chance."""
    asked = questions("small_print", choice=True)
    hits = sum(most_shared(question.options) == question.answer for question in asked)
    assert hits < 0.36 * len(asked)  # four standard deviations above a quarter


def most_shared(options: tuple[str, ...]) -> str:
    shared = [
        sum(a == b for other in options for a, b in zip(option, other, strict=True))
        for option in options
    ]
    return ascii_uppercase[int(np.argmax(shared))]


def test_other_texts_are_refused() -> None:
    with pytest.raises(ValueError, match="not a question of the world"):
        read_question("What letter is on the sign?")
