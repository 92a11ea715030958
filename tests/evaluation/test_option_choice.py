from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from eva_graph.option_choice import chosen_option

OPTIONS = {"A": "A red hat", "B": "The green door", "C": "Blue", "D": "None of the above"}
FORMS = [
    "{letter}",
    " {letter}\n",
    "{lower}",
    "({letter})",
    "[{letter}]",
    "({lower})",
    "{letter}.",
    "{letter})",
    "{letter}:",
    "**{letter}**",
    "**{letter}.** {text}",
    "__{letter}__",
    "`{letter}`",
    "“{letter}”",
    "${letter}$",
    "\\boxed{{{letter}}}",
    "\\boxed{{\\text{{{letter}}}}}",
    "<answer>{letter}</answer>",
    "{letter}. {text}",
    "{letter}: {text}",
    "({letter}) {text}",
    "{letter} - {text}",
    "{letter}, because one sees it at [00:12].",
    "{text}",
    "{text}.",
    "{lower_text}",
    "*{text}*",
    "Option {letter}",
    "option {lower}.",
    "Answer: {letter}",
    "Answer:{letter}",
    "**Answer:** {letter}",
    "**Answer: {letter}**",
    "Final answer: **{letter}**\n\nIt opens at [00:31].",
    "The answer is {letter}",
    "The answer is {letter}.",
    "The answer is ({letter}) {text}.",
    "The answer is **{letter}. {text}**",
    "the answer is {lower}.",
    "The correct answer is {letter}, since nothing else is seen.",
    "The best option is {letter} because of the last frame.",
    "The correct choice would be option ({letter}).",
    "My answer: {letter}",
    "I watched it all. It must be {letter}.",
    "So the person does this: {text}, as the last frame shows.",
]


@pytest.mark.parametrize("letter", OPTIONS)
@pytest.mark.parametrize("form", FORMS)
def test_forms_in_which_policies_answer(form: str, letter: str) -> None:
    text = OPTIONS[letter]
    answer = form.format(letter=letter, lower=letter.lower(), text=text, lower_text=text.lower())
    assert chosen_option(answer, OPTIONS).letter == letter


@pytest.mark.parametrize(
    ("answer", "letter"),
    [
        ("The answer is not A, the answer is B", "B"),
        ("It is not A but C.", "C"),
        ("It can't be (B), so D.", "D"),
        ("Between A and B, the answer is B", "B"),
        ("The answer is a green door", None),
        ("A man walks in", None),
        ("The answer is A man", None),
        ("Ｂ", "B"),
        ("the green  DOOR!", "B"),
        ("It's B.", "B"),
    ],
)
def test_prose(answer: str, letter: str | None) -> None:
    assert chosen_option(answer, OPTIONS).letter == letter


@pytest.mark.parametrize(
    "answer",
    [
        "A or B",
        "(B) or (C)",
        "B/C",
        "B, C",
        "A, B and C",
        "The answer is B or C.",
        "The answer is (A) and (C)",
        "Answer: B. No: the answer is C",
        "B: Blue",
        "B. No, the answer is C",
        "Blue or the green door",
        "It is B, the blue one",
    ],
)
def test_what_points_to_several_options_chooses_none(answer: str) -> None:
    choice = chosen_option(answer, OPTIONS)
    assert choice.letter is None
    assert choice.how.startswith("ambiguous: ")


@pytest.mark.parametrize(
    "answer", ["", " ", "***", "E", "The answer is E", "Not B", "purple", "()"]
)
def test_what_points_to_no_option(answer: str) -> None:
    assert chosen_option(answer, OPTIONS).letter is None


def test_a_longer_option_wins_over_its_part() -> None:
    options = {"A": "Door", "B": "Green door", "C": "Window"}
    assert chosen_option("One sees the green door there", options).letter == "B"
    assert chosen_option("Some door", options).letter == "A"


def test_times_of_cited_frames_are_no_numbers() -> None:
    options = {"A": "3", "B": "12", "C": "[01:12]"}
    assert chosen_option("At [01:12] and [00:03.500] one counts 12 of them", options).letter == "B"
    assert chosen_option("[01:12]", options).letter == "C"


def test_options_that_are_letters_or_the_same() -> None:
    assert chosen_option("B", {"A": "B", "B": "A"}).letter == "B"
    assert chosen_option("Same", {"A": "Same", "B": "same."}).letter is None


@given(st.text(max_size=400))
def test_any_answer_can_be_read(answer: str) -> None:
    choice = chosen_option(answer, OPTIONS)
    assert choice.letter is None or choice.letter in OPTIONS
    assert choice.how


WORDS = st.lists(
    st.sampled_from(["the", "camera", "then", "moves", "slowly", "while", "nobody", "speaks"]),
    max_size=12,
).map(" ".join)


@given(letter=st.sampled_from(list(OPTIONS)), before=WORDS, after=WORDS)
def test_prose_around_a_stated_letter_changes_nothing(letter: str, before: str, after: str) -> None:
    answer = f"{before}. The answer is ({letter}). {after}"
    assert chosen_option(answer, OPTIONS).letter == letter


@settings(deadline=None)
@given(st.sampled_from(["a", " a", "A, ", "(", "*", "answer is ", "not "]), st.integers(1, 60_000))
def test_long_answers_are_read_in_bounds(part: str, times: int) -> None:
    assert chosen_option(part * times + " The answer is C.", OPTIONS).letter in ("C", None)
