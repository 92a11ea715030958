"""Each term by its paper's form, its range under hostile input, and weights that are refused."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eva_graph.dialects import Question
from eva_graph.evaluation import EvalQuestion, score
from eva_graph.evaluation.rouge import rouge
from eva_graph.evaluation.stretches import Stretch
from eva_graph.known import Reference
from eva_graph.state import StopReason
from eva_graph.testing import ScriptedPolicy
from eva_graph.trajectory.schema import CallRecord
from eva_graph_tools import FrameRef
from eva_graph_training.errors import RecipeError
from eva_graph_training.labels.facts import Look
from eva_graph_training.recipe.settings import RewardSettings
from eva_graph_training.rewards.attempt import Attempt
from eva_graph_training.rewards.scoring import Scorer, judge_of
from eva_graph_training.rewards.terms import (
    FORMAT_BONUS,
    LOWEST_GUESS,
    accuracy,
    evidence_overlap,
    format_bonus,
    repeated_looks,
    self_verified,
    visual_cost,
)

OPTIONS = {"A": "a red car", "B": "a blue car", "C": "nothing", "D": "a red car and a dog"}


def frame(seconds: float, *, side: int = 56, number: int = 0) -> FrameRef:
    return FrameRef(
        sha256=f"{number + round(seconds * 1000):064x}", media_type="image/jpeg", width=side,
        height=side, video_id="v", pts_seconds=seconds, encoding="jpeg;q=90",
    )  # fmt: skip


def look_at(turn: int, *times: float, side: int = 56) -> Look:
    call = CallRecord(id=f"c{turn}", tool="frame_select", requested={})
    return Look.of(turn, call, tuple(frame(time, side=side) for time in times))


def attempt(
    answer: str | None,
    expected: str | None,
    *looks: Look,
    options: dict[str, str] | None = None,
    evidence: Sequence[Stretch] = (),
    reference: Sequence[Stretch] = (),
    visual_tokens: int = 0,
) -> Attempt:
    return Attempt(
        question=Question(text="What is seen?", options=options or {}),
        reference=Reference(expected=expected, time_reference=tuple(reference)),
        answer=answer,
        stop_reason=StopReason.NO_ANSWER if answer is None else StopReason.ANSWERED,
        looks=looks,
        evidence=tuple(evidence),
        visual_tokens=visual_tokens,
        turns=1 + len(looks),
        load_frame=lambda ref: b"",
    )


def choice(answer: str | None, expected: str | None, *looks: Look) -> Attempt:
    return attempt(answer, expected, *looks, options=OPTIONS)


SEEN = look_at(1, 1.0, 2.0)


@pytest.mark.parametrize(
    ("answer", "worth"),
    [("B", 1.0), ("(b)", 1.0), ("A blue car", 1.0), ("The answer is B.", 1.0), ("A", 0.0),
     ("A, B, C or D", 0.0), ("A or B", 0.0), ("A. a red car B. a blue car", 0.0), ("", 0.0),
     ("a red car and a blue car", 0.0), (None, 0.0)],
)  # fmt: skip
def test_choice_is_right_or_wrong(answer: str | None, worth: float) -> None:
    assert accuracy(choice(answer, "B")) == worth
    assert accuracy(choice(answer, "a blue car")) == worth  # the option's text stands for it


def test_open_answers_by_rouge() -> None:
    assert accuracy(attempt("Two red cars", "two  red cars")) == 1.0
    shared = accuracy(attempt("two red cars pass", "two red cars"))
    assert shared == pytest.approx((2 * 3 / 7 + 2 * 2 / 5 + 2 * 3 / 7) / 3)
    assert accuracy(attempt("snow", "two red cars")) == 0.0
    assert accuracy(attempt(None, "two red cars")) == 0.0


def test_nobody_knows_the_answer() -> None:
    assert accuracy(attempt("two", None)) is None
    assert accuracy(choice("B", "Z")) is None
    assert self_verified(choice("B", None, SEEN), "B") is None


@pytest.mark.parametrize(
    ("answer", "judged", "looks", "worth"),
    [("B", "B", [SEEN], 1.0), ("B", "The answer is B.", [SEEN], 1.0), ("B", "A", [SEEN], 0.0),
     ("B", "A or B", [SEEN], 0.0), ("A", "B", [SEEN], 0.0), ("A", "A", [SEEN], 0.0),
     ("B", "B", [], 0.0), (None, "B", [SEEN], 0.0)],
)  # fmt: skip
def test_self_verification_needs_both(
    answer: str | None, judged: str, looks: list[Look], worth: float
) -> None:
    assert self_verified(choice(answer, "B", *looks), judged) == worth


@pytest.mark.parametrize(
    ("answer", "looks", "earned", "bonus"),
    [("A", [SEEN], 0.0, 0.05), ("A", [], 0.0, 0.0), (None, [SEEN], 0.0, 0.0),
     ("B", [SEEN], 1.0, 0.0), ("B", [SEEN], 0.03, 0.02)],
)  # fmt: skip
def test_format_bonus_is_for_a_wrong_answer_after_a_real_look(
    answer: str | None, looks: list[Look], earned: float, bonus: float
) -> None:
    assert format_bonus(choice(answer, "B", *looks), accuracy=earned) == pytest.approx(bonus)


def test_pretending_to_look_brings_less_than_guessing() -> None:
    """The paper's relation: 0.05 against 0.20 to 0.25."""
    letters = {letter: f"option {letter}" for letter in "ABCDE"}
    guesses = [accuracy(attempt(letter, "C", options=letters)) for letter in letters]
    expected = sum(value or 0.0 for value in guesses) / len(guesses)
    assert expected == pytest.approx(LOWEST_GUESS)
    assert expected >= 4 * FORMAT_BONUS - 1e-12


def test_evidence_overlaps_the_reference() -> None:
    cited = attempt("x", "x", evidence=[(2.0, 6.0)], reference=[(4.0, 8.0)])
    assert evidence_overlap(cited) == pytest.approx(2 / 6)
    assert evidence_overlap(attempt(None, "x", reference=[(4.0, 8.0)])) == 0.0
    assert evidence_overlap(attempt("x", "x", evidence=[(2.0, 6.0)])) is None


def test_cost_is_the_right_answers_alone() -> None:
    dear = attempt("x", "x", visual_tokens=600)
    assert visual_cost(dear, accuracy=1.0, scale_tokens=1200) == -0.5
    assert visual_cost(dear, accuracy=0.0, scale_tokens=1200) == 0.0
    assert visual_cost(dear, accuracy=1.0, scale_tokens=100) == -1.0


@pytest.mark.parametrize(
    ("looks", "penalty"),
    [([], 0.0), ([look_at(1, 1.0)], 0.0), ([look_at(1, 1.0), look_at(2, 1.0)], -0.5),
     ([look_at(1, 1.0), look_at(2, 1.0, side=112)], 0.0),
     ([look_at(1, 1.0, side=112), look_at(2, 1.0)], -0.5),
     ([look_at(1, 1.0, 2.0), look_at(2, 2.0, 3.0)], 0.0),
     ([look_at(n, 1.0) for n in range(1, 5)], -0.75)],
)  # fmt: skip
def test_looks_that_show_nothing_new(looks: list[Look], penalty: float) -> None:
    assert repeated_looks(attempt("x", "x", *looks)) == penalty


def test_last_round_is_the_last_turn_that_showed_anything() -> None:
    looks = (look_at(1, 1.0), look_at(3, 5.0), look_at(3, 6.0, 7.0))
    shown = [each.pts_seconds for each in choice("A", "A", *looks).last_round]
    assert shown == [5.0, 6.0, 7.0]


TEXTS = st.one_of(
    st.text(max_size=200),
    st.lists(
        st.sampled_from([*"ABCDabcd()[].,:*\n", *OPTIONS.values(), " or ", " not ", "answer is ",
                         "<answer>", "</answer>", "option ", "all of them", "\\boxed{", "}"]),
        max_size=24,
    ).map("".join),
)  # fmt: skip
LOOKS = st.lists(
    st.tuples(st.lists(st.floats(0, 99), min_size=1, max_size=4), st.sampled_from([28, 56])),
    max_size=4,
).map(lambda looks: [look_at(n, *times, side=side) for n, (times, side) in enumerate(looks, 1)])
STRETCHES = st.lists(
    st.tuples(st.floats(0, 500), st.floats(0, 500)).map(lambda pair: (min(pair), max(pair))),
    max_size=4,
)


@given(TEXTS)
def test_no_answer_is_right_for_two_options(answer: str) -> None:
    assert sum(accuracy(choice(answer, letter)) or 0.0 for letter in OPTIONS) in (0.0, 1.0)


@given(TEXTS, st.sampled_from(["A", "B", "a red car", "x y z", "", "全部"]), st.booleans())
def test_accuracy_is_the_evaluations(answer: str, expected: str, options: bool) -> None:
    given_options = OPTIONS if options else {}
    mine = accuracy(attempt(answer, expected, options=given_options))
    letter = {text: name for name, text in OPTIONS.items()}.get(expected, expected)
    asked = EvalQuestion(
        benchmark="b", question_id="q", video="v", question="q", options=given_options,
        answer=letter if options else expected,
    )  # fmt: skip
    if options and letter not in OPTIONS:
        assert mine is None
        return
    verdict = score(asked, answer)
    one_word = not options and len(expected.split()) == 1
    near = rouge(answer, expected).mean if one_word and not verdict.correct else verdict.value
    assert mine == near
    assert 0.0 <= near <= 1.0


@given(
    TEXTS | st.none(), LOOKS, STRETCHES, STRETCHES, st.integers(0, 10**9), st.integers(1, 10**6),
    st.floats(0, 1), st.sampled_from([None, OPTIONS]),
)  # fmt: skip
def test_every_term_keeps_to_its_range(
    answer: str | None, looks: list[Look], evidence: Any, reference: Any, tokens: int, scale: int,
    bonus: float, options: dict[str, str] | None,
) -> None:  # fmt: skip
    one = attempt(
        answer, "B", *looks, options=options, evidence=evidence, reference=reference,
        visual_tokens=tokens,
    )  # fmt: skip
    earned = accuracy(one)
    assert earned is not None
    assert 0.0 <= earned <= 1.0
    assert self_verified(one, answer or "") in (0.0, earned)
    lifted = format_bonus(one, accuracy=earned, bonus=bonus)
    assert 0.0 <= lifted <= bonus
    assert earned + lifted <= max(1.0, bonus)
    overlap = evidence_overlap(one)
    assert overlap is None or 0.0 <= overlap <= 1.0
    assert -earned <= visual_cost(one, accuracy=earned, scale_tokens=scale) <= 0.0
    assert -1.0 < repeated_looks(one) <= 0.0


@given(st.floats(0, 1), st.floats(0, 1), st.floats(0, 0.19))
def test_more_accuracy_is_never_worth_less(first: float, second: float, bonus: float) -> None:
    one = choice("A", "B", SEEN)
    worth = [
        value + format_bonus(one, accuracy=value, bonus=bonus) for value in sorted((first, second))
    ]
    assert worth[0] <= worth[1] + 1e-12


@pytest.mark.parametrize(
    ("settings", "complaint"),
    [({"accuracy_weight": 0.0}, "right answer would bring nothing"),
     ({"cost_weight": 0.6, "repeat_weight": 0.4}, "right answer would bring nothing"),
     ({"format_bonus": 0.2}, "pretending to look would pay"),
     ({"format_weight": 4.0}, "pretending to look would pay")],
)  # fmt: skip
def test_weights_under_which_hacking_pays(settings: dict[str, float], complaint: str) -> None:
    with pytest.raises(RecipeError, match=complaint):
        Scorer(RewardSettings.model_validate(settings), ScriptedPolicy(["B"]))


def test_self_verification_needs_a_judge() -> None:
    with pytest.raises(RecipeError, match=r"rewards\.judge"):
        Scorer(RewardSettings())
    assert judge_of(RewardSettings(self_verification=False)) is None
    named = RewardSettings(judge="http://localhost:1/v1")
    judge = judge_of(named, "nano")
    assert judge is not None
    assert Scorer(named).verification is not None
