"""Whether an answer is right: the released harness's letter match, or a reader of answers.

| profile | with options | open |
| --- | --- | --- |
| reference | the whole answer equals the ground truth, case and outer space aside | the same |
| corrected | the option that the answer means (`option_choice`) | one word, a judge, or ROUGE |

Under the reference profile a ground truth that nothing can match counts as wrong, as it does in
`accuracy.py` of the released harness; the corrected profile gives such a question no verdict.
Whether an open question gets a verdict never depends on its answer: an accuracy of those answers
alone that happen to repeat the expected one would always be perfect.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final, Protocol

from eva_graph.evaluation.questions import EvalQuestion, Profile
from eva_graph.evaluation.rouge import rouge
from eva_graph.option_choice import chosen_option
from eva_graph.trajectory.schema import Trajectory

_LEAD: Final = re.compile(
    r"(?:(?:the )?answer(?: is|:)?|(?:it|this|that)(?: is|'s|’s)) (?=\S)|(?:an?|the) (?=\S)"
)
"""What people put before a word that is the whole answer."""


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

    def __call__(self, question: EvalQuestion, answer: str) -> bool | None:
        """Whether the answer means what `question.answer` says; None: it does not decide."""


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
    given = (answer or "").strip()
    if question.options:
        if not given:
            return _verdict(False, "no answer")
        choice = chosen_option(given, question.options)
        return _verdict(choice.letter == question.answer, choice.how)
    return _open(question, question.answer, given, judge)


def _reference(question: EvalQuestion, answer: str | None) -> Score:
    given = (answer or "").strip().upper()
    if not given:
        return _verdict(False, "no answer")
    return _verdict(given == (question.answer or "").strip().upper(), "whole answer")


def _open(question: EvalQuestion, expected: str, answer: str, judge: Judge | None) -> Score:
    repeated = _words(answer) == _words(expected)
    if judge is not None:
        verdict = repeated or (judge(question, answer) if answer else False)
        if verdict is not None:
            how = "whole answer" if repeated else "judge"
            return _verdict(verdict, how if answer else "no answer")
    if len(expected.split()) == 1:
        return _verdict(_bare(answer) == _bare(expected), "one word" if answer else "no answer")
    value = 1.0 if repeated else rouge(answer, expected).mean
    return Score(correct=None, value=value, how="rouge")


def _words(text: str) -> str:
    return " ".join(text.casefold().split())


def _bare(text: str) -> str:
    """The word that an answer consists of, without what is usually put around it."""
    bare = _words(text)
    while (lead := _LEAD.match(bare)) is not None:
        bare = bare[lead.end() :]
    return bare.strip(" .,;:!?*_\"'`()[]") or bare


def _verdict(correct: bool, how: str) -> Score:
    return Score(correct=correct, value=float(correct), how=how)
