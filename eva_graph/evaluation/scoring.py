"""Whether an answer is right: the released harness's letter match, or a reader of answers.

| profile | with options | open |
| --- | --- | --- |
| reference | the whole answer equals the ground truth, case and outer space aside | the same |
| corrected | the option that the answer means (`option_choice`) | equal words, a judge, or ROUGE |

Under the reference profile a ground truth that nothing can match counts as wrong, as it does in
`accuracy.py` of the released harness; the corrected profile gives such a question no verdict.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from eva_graph.evaluation.option_choice import chosen_option
from eva_graph.evaluation.questions import EvalQuestion, Profile
from eva_graph.evaluation.rouge import rouge
from eva_graph.trajectory.schema import Trajectory


@dataclass(frozen=True, slots=True, kw_only=True)
class Score:
    """What an answer is worth.

    Attributes:
        correct: None where there is no verdict: nobody knows the answer, or ROUGE alone measured.
        value: between 0 and 1; 1 for a right answer.
        how: what decided, in a few words.
    """

    correct: bool | None
    value: float
    how: str


class Judge(Protocol):
    """Decides on an open answer that does not repeat the expected one."""

    def __call__(self, question: EvalQuestion, answer: str) -> bool:
        """Whether the answer means what `question.answer` says."""


def score(
    question: EvalQuestion,
    given: Trajectory | str | None,
    *,
    profile: Profile = "corrected",
    judge: Judge | None = None,
) -> Score:
    """Score an answer, or the answer of an episode; None: there is no answer.

    Raises:
        EvaGraphError: whatever the judge raises.
    """
    answer = given.answer if isinstance(given, Trajectory) else given
    if profile == "reference":
        return _reference(question, answer)
    if question.problem is not None or question.answer is None:
        return Score(correct=None, value=0.0, how=f"not scored: {question.problem or 'no answer'}")
    if answer is None or not answer.strip():
        return _verdict(False, "no answer")
    if question.options:
        choice = chosen_option(answer, question.options)
        return _verdict(choice.letter == question.answer, choice.how)
    return _open(question, question.answer, answer, judge)


def _reference(question: EvalQuestion, answer: str | None) -> Score:
    given = (answer or "").strip().upper()
    if not given:
        return _verdict(False, "no answer")
    return _verdict(given == (question.answer or "").strip().upper(), "whole answer")


def _open(question: EvalQuestion, expected: str, answer: str, judge: Judge | None) -> Score:
    if " ".join(answer.casefold().split()) == " ".join(expected.casefold().split()):
        return _verdict(True, "whole answer")
    if judge is not None:
        return _verdict(judge(question, answer), "judge")
    return Score(correct=None, value=rouge(answer, expected).mean, how="rouge")


def _verdict(correct: bool, how: str) -> Score:
    return Score(correct=correct, value=float(correct), how=how)
