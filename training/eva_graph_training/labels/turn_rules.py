"""Faults of writing: turns that say neither call nor answer, and episodes without an answer."""

from __future__ import annotations

from eva_graph_training.labels.facts import Facts
from eva_graph_training.labels.rule import Rule, register

_BROKEN = ("malformed", "neither", "truncated")
_NOT_THE_POLICY = ("policy_error", "answered")


def _wrong_format(facts: Facts) -> str | None:
    broken = [turn for turn in facts.record.turns if turn.outcome in _BROKEN]
    if not broken:
        return None
    first = broken[0]
    return f"turn {first.turn} is {first.outcome}{f': {first.error}' if first.error else ''}"


def _no_answer(facts: Facts) -> str | None:
    if facts.answered or facts.record.stop_reason in (None, *_NOT_THE_POLICY):
        return None
    return f"stopped without an answer: {facts.record.stop_reason}"


register(
    Rule(
        name="wrong_format",
        kind="fault",
        meaning="A turn was malformed, said neither call nor answer, or was cut by its limit.",
        reason="The format is the first thing that stage one teaches (arXiv 2603.22918, cold "
        "start); a reward for it is part of stage three.",
        find=_wrong_format,
    )
)
register(
    Rule(
        name="no_answer",
        kind="fault",
        meaning="The episode ended without an answer, and not because a server failed.",
        reason="Without an answer the released harness scores 0, whatever was seen.",
        find=_no_answer,
    )
)
