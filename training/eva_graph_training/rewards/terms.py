"""The terms of the reward, each a plain function of an `Attempt` with its range written down.

EVA (arXiv 2603.22918): `R = w_acc * r_acc + w_fmt * r_fmt`; `r_acc` is completeness
self-verification for multiple choice and the mean of ROUGE-1/2/L F1 for open answers; `r_fmt` is
0.05 for a wrong answer after a real call, well below the 0.20 to 0.25 that guessing brings. The
other terms are ours and weigh nothing unless a recipe says so:

- what a look costs counts for answers that are right alone: a flat price on looking teaches not to
  look (the "interaction collapse" of tool-using policies);
- the penalty is on looks that show nothing new, never on looking, for the same reason;
- equal answers within a group cost nothing: on an easy question they should be equal.
"""

from __future__ import annotations

from typing import Final

from eva_graph.evaluation.questions import EvalQuestion
from eva_graph.evaluation.rouge import rouge
from eva_graph.evaluation.scoring import score
from eva_graph.evaluation.stretches import time_iou
from eva_graph.option_choice import chosen_option
from eva_graph_training.labels.look_rules import known_frames
from eva_graph_training.rewards.attempt import Attempt

FORMAT_BONUS: Final = 0.05
"""The paper's value."""
LOWEST_GUESS: Final = 0.2
"""What guessing among five options brings, the paper's lower figure; no bonus may reach it."""
KNOWN_SHARE: Final = 0.9
"""A look of which so many frames had been shown as large before shows nothing new."""


def accuracy(attempt: Attempt) -> float | None:
    """What the evaluation's own reader makes of the answer, in [0, 1].

    Multiple choice is 0 or 1; an answer that points to several options chooses none. An open answer
    is worth 1 where it says the expected one and no more ("It is K."), else the mean of ROUGE-1/2/L
    F1 (`r_rouge`), also where the evaluation takes one word for right or wrong: a training needs to
    tell a near miss from a far one. No answer is worth 0. None: nobody knows the right answer.
    """
    return answer_value(attempt, attempt.answer)


def self_verified(attempt: Attempt, judge_answer: str) -> float | None:
    """`r_csv`, 0 or 1: the answer is right, and so is a judge's that saw the last round alone.

    An attempt that saw no frame has nothing that could verify it: 0. None as in `accuracy`.
    """
    value = accuracy(attempt)
    if not value:
        return value
    return float(bool(attempt.last_round) and answer_value(attempt, judge_answer) == 1.0)


def answer_value(attempt: Attempt, answer: str | None) -> float | None:
    """What an answer to the attempt's question is worth by itself, in [0, 1]; see `accuracy`."""
    options = dict(attempt.question.options)
    expected = attempt.reference.expected
    if expected is not None and options:
        expected = chosen_option(expected, options).letter
    if expected is None:
        return None
    question = EvalQuestion(
        benchmark="training",
        question_id=attempt.reference.question_id or "",
        video="",
        question=attempt.question.text,
        options=options,
        answer=expected,
    )
    value = score(question, answer).value
    return value if options else max(value, rouge(answer or "", expected).mean)


def format_bonus(attempt: Attempt, *, accuracy: float, bonus: float = FORMAT_BONUS) -> float:
    """`r_fmt`, in [0, bonus]: lifts an answer that earned less than `bonus` up to it.

    Only for an answer that was given after a look that really ran and showed frames. For multiple
    choice this is the paper's form: `bonus` where `r_acc` is 0. That includes an answer that is
    right but was not verified, or it would be worth less than a wrong one. An open answer with a
    little ROUGE gets the rest, so that more accuracy is never worth less.
    """
    if attempt.answer is None or not attempt.looks:
        return 0.0
    return max(0.0, bonus - accuracy)


def evidence_overlap(attempt: Attempt) -> float | None:
    """Time IoU of the cited evidence with the reference, in [0, 1], as the evaluation measures it.

    0 without an answer, or without a look. None: the question has no time reference.
    """
    reference = attempt.reference.time_reference
    return time_iou(attempt.evidence, reference) if reference else None


def visual_cost(attempt: Attempt, *, accuracy: float, scale_tokens: int) -> float:
    """Minus the visual tokens over `scale_tokens`, at most 1, times the accuracy; in [-1, 0]."""
    return -accuracy * min(1.0, attempt.visual_tokens / scale_tokens)


def repeated_looks(attempt: Attempt) -> float:
    """Minus the share of looks that show nothing new, in [-1, 0]: the label `redundant_look`.

    A larger picture of the same moment is new, and so is another part of it.
    """
    known = known_frames(attempt.looks)
    pairs = zip(attempt.looks, known, strict=True)
    repeats = sum(count >= KNOWN_SHARE * len(look.frames) for look, count in pairs)
    return -repeats / len(attempt.looks) if repeats else 0.0
