from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eva_graph.evaluation.questions import EvalQuestion
from eva_graph.evaluation.rouge import MAX_WORDS, rouge
from eva_graph.evaluation.scoring import score

CLOSED = EvalQuestion(
    benchmark="custom",
    question_id="1",
    video="door.mp4",
    question="Which colour?",
    options={"A": "Red", "B": "Green"},
    answer="B",
)
OPEN = EvalQuestion(
    benchmark="custom",
    question_id="2",
    video="door.mp4",
    question="What happens?",
    options={},
    answer="The green door opens.",
)
UNSCORABLE = EvalQuestion(
    benchmark="mlvu",
    question_id="3",
    video="door.mp4",
    question="Which colour?",
    options={"A": "Red", "B": "Green"},
    answer="@",
    problem="the answer names none of the options",
)


@pytest.mark.parametrize(
    ("answer", "reference", "corrected"),
    [
        ("B", True, True),
        (" b\n", True, True),
        ("B. Green", False, True),
        ("**B**", False, True),
        ("The answer is B", False, True),
        ("Green", False, True),
        ("A", False, False),
        ("A or B", False, False),
        ("", False, False),
        (None, False, False),
    ],
)
def test_letters_by_profile(answer: str | None, reference: bool, corrected: bool) -> None:
    assert score(CLOSED, answer, profile="reference").correct is reference
    given = score(CLOSED, answer)
    assert (given.correct, given.value) == (corrected, float(corrected))


def test_an_unscorable_question_is_wrong_upstream_and_without_verdict_here() -> None:
    assert score(UNSCORABLE, "A", profile="reference").correct is False
    assert score(UNSCORABLE, "A").correct is None
    assert "names none of the options" in score(UNSCORABLE, "A").how


def test_open_answers() -> None:
    repeated = score(OPEN, "the green  door opens.")
    assert (repeated.correct, repeated.value, repeated.how) == (None, 1.0, "rouge")
    measured = score(OPEN, "A door opens")
    assert (measured.correct, measured.how) == (None, "rouge")
    assert 0 < measured.value < 1
    nothing = score(OPEN, None)
    assert (nothing.correct, nothing.value) == (None, 0.0)
    assert score(OPEN, "A door opens", profile="reference").correct is False


def test_a_judge_decides_where_words_differ() -> None:
    asked: list[str] = []

    def judge(question: EvalQuestion, answer: str) -> bool:
        asked.append(answer)
        return "door" in answer and question is OPEN

    assert score(OPEN, "Somebody opens a door", judge=judge).correct is True
    assert score(OPEN, "Nothing", judge=judge).correct is False
    assert score(OPEN, "The green door opens.", judge=judge).correct is True
    assert score(OPEN, " ", judge=judge).correct is False
    assert asked == ["Somebody opens a door", "Nothing"]
    unsure = score(OPEN, "A door opens", judge=lambda question, answer: None)
    assert (unsure.correct, unsure.how) == (None, "rouge")


@pytest.mark.parametrize(
    ("expected", "answer", "correct"),
    [
        ("K", "K", True),
        ("K", "**k**.", True),
        ("K", "The answer is K.", True),
        ("K", "Answer: K", True),
        ("red", "It's a red", True),
        ("A", "A", True),
        ("the", "The", True),
        ("12:30", "12:30", True),
        ("K", "Q", False),
        ("K", "not K", False),
        ("K", "K or Q", False),
        ("red", "It is red, I think", False),
        ("K", "", False),
        ("K", "It is", False),
    ],
)
def test_a_one_word_answer_always_has_a_verdict(expected: str, answer: str, correct: bool) -> None:
    assert score(replace(OPEN, answer=expected), answer).correct is correct


def test_rouge_against_published_values() -> None:
    """The example of the `rouge-score` package's documentation: 0.7059 and 0.5882."""
    measured = rouge(
        "The quick brown dog jumps on the log.", "The quick brown fox jumps over the lazy dog"
    )
    assert measured.rouge1 == pytest.approx(12 / 17)
    assert measured.rouge_l == pytest.approx(10 / 17)
    assert measured.rouge2 == pytest.approx(4 / 15)


def test_rouge_against_lins_example() -> None:
    """Lin 2004, section 3.1: S2 shares `police … the gunman`, S3 only `the gunman`."""
    reference = "police killed the gunman"
    assert rouge("police kill the gunman", reference).rouge_l == pytest.approx(0.75)
    assert rouge("the gunman kill police", reference).rouge_l == pytest.approx(0.5)
    assert rouge("the gunman police killed", reference).rouge_l == pytest.approx(0.5)
    assert rouge("police kill the gunman", reference).rouge2 == pytest.approx(1 / 3)


WORDS = st.lists(st.sampled_from(["a", "b", "c", "öl", "7"]), max_size=9).map(" ".join)


@given(WORDS, WORDS)
def test_rouge_is_symmetric_and_bounded(first: str, second: str) -> None:
    measured = rouge(first, second)
    assert measured == rouge(second, first)
    assert all(0 <= value <= 1 for value in measured)
    assert measured.rouge_l <= measured.rouge1 + 1e-12
    assert rouge(first, first).rouge1 == float(bool(first))


def test_rouge_reads_so_many_words() -> None:
    assert rouge("a " * MAX_WORDS + "b", "a " * MAX_WORDS).mean == 1.0
