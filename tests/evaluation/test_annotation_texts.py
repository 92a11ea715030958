from __future__ import annotations

from string import ascii_uppercase
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eva_graph.evaluation.benchmarks.option_lines import FORMS, split_options
from eva_graph.evaluation.benchmarks.time_references import read_stretches

LINES = st.text(
    st.characters(codec="utf-8", exclude_characters="\\\r\n()", exclude_categories=("C", "Z")),
    min_size=1,
    max_size=30,
).map(lambda text: f"x{text}")


@given(
    form=st.sampled_from(sorted(FORMS)),
    question=LINES,
    texts=st.lists(LINES, min_size=2, max_size=26),
)
def test_what_a_form_writes_is_split_again(form: str, question: str, texts: list[str]) -> None:
    options = dict(zip(ascii_uppercase, texts, strict=False))
    written = FORMS[form].write(question, options).replace("\\n", "\n")
    split = split_options(written)
    assert (split.question, split.options) == (question, options)
    assert split.instructed == (form in ("mlvu", "longvideobench"))


@given(st.text())
def test_any_text_can_be_split(text: str) -> None:
    split = split_options(text)
    assert list(split.options) == list(ascii_uppercase[: len(split.options)])
    assert len(split.options) != 1


@pytest.mark.parametrize(
    ("text", "question", "options"),
    [
        ("Why?", "Why?", {}),
        ("A. Why?", "A. Why?", {}),
        ("Why?\nA. x\nA. Because\nB. No", "Why?\nA. x", {"A": "Because", "B": "No"}),
        ("Why?\nA. one\nmore of it\nB. two", "Why?", {"A": "one\nmore of it", "B": "two"}),
        ("Order?\n① x\n② y\nA. ①-②\nB. ②-①", "Order?\n① x\n② y", {"A": "①-②", "B": "②-①"}),
        ("Why?\nOptions:\n(A)\n(B) two\n", "Why?", {"A": "", "B": "two"}),
        ("Why?\nA. one\nC. three\nB. two", "Why?", {"A": "one\nC. three", "B": "two"}),
        ("A. Smith's hat?\nA. red\nB. blue", "A. Smith's hat?", {"A": "red", "B": "blue"}),
    ],
)
def test_options_in_a_text(text: str, question: str, options: dict[str, str]) -> None:
    split = split_options(text)
    assert (split.question, split.options) == (question, options)


@pytest.mark.parametrize(
    ("value", "stretches", "unusable"),
    [
        ("00:15-00:19", ((15.0, 19.0),), False),
        ("69:06-69:06", ((4146.0, 4146.0),), False),
        ("01:00:00-01:00:30", ((3600.0, 3630.0),), False),
        ("00:01-00:02, 00:05-00:06", ((1.0, 2.0), (5.0, 6.0)), False),
        ("08:17-None", (), True),
        ("None-None", (), True),
        ("116:50-108:00", (), True),
        ("whole video", (), True),
        ({"start": "00:49:00", "end": "00:52:00"}, ((2940.0, 3120.0),), False),
        ({"start": 3}, (), True),
        ([1, 2], ((1.0, 2.0),), False),
        ([[1, 2], "00:05-00:06"], ((1.0, 2.0), (5.0, 6.0)), False),
        ([[1, 2], [4, 3]], ((1.0, 2.0),), True),
        ([float("nan"), 2], (), True),
        (7, (), True),
        (None, (), False),
        ("", (), False),
        ([], (), False),
    ],
)
def test_time_references(value: Any, stretches: Any, unusable: bool) -> None:
    assert read_stretches(value) == (stretches, unusable)


@given(st.recursive(st.none() | st.floats() | st.text(), st.lists, max_leaves=8))
def test_no_time_reference_is_refused_aloud(value: Any) -> None:
    stretches, _ = read_stretches(value)
    assert all(0 <= start <= end for start, end in stretches)
