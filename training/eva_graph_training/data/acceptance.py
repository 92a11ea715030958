"""Which episodes of a teacher are worth imitating, and why the others are not.

Accepted: right, after looking, without a fault of the taxonomy or of the audit, and with all parts
of the format: a Summary and a Plan before every call, a Reflection on every look. An open answer is
right from the recipe's threshold of mean ROUGE on. Episodes that find their evidence insufficient
and look again are what teaches Reflection; they carry a label of their own.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from eva_graph.evaluation.questions import EvalQuestion
from eva_graph.evaluation.scoring import score
from eva_graph.trajectory import Trajectory
from eva_graph_training.data.audit import AUDIT
from eva_graph_training.labels import Facts, Labelled, Rule, label_record, rules

ACCEPTED = "accepted"
POLICY_FAILED = "the policy failed"
LOOKED_AGAIN = "looked_again"
"""A Reflection found the evidence insufficient, and another look followed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What became of an episode.

    Attributes:
        reason: why it is not accepted; None where it is.
        value: what its answer is worth, between 0 and 1.
        labels: what the taxonomy, the audit and the acceptance say of it.
        desirable: what KTO should make of it.
    """

    reason: str | None
    value: float
    labels: tuple[str, ...]
    desirable: bool | None


def judge_episode(
    record: Trajectory,
    question: EvalQuestion,
    *,
    threshold: float,
    audit: Sequence[Rule] = AUDIT,
) -> Verdict:
    """Decide on a finished episode.

    Args:
        question: what it was asked; its answer is the right one.
        threshold: from which value an open answer counts as right.
        audit: rules beside the taxonomy.

    Raises:
        TrajectoryError: the record names no frame where it must.
    """
    value = score(question, record).value
    labelled = label_as_scored(record, right=value >= threshold)
    faults = [rule.name for rule in rules() if rule.kind == "fault"]
    found = [name for name in labelled.reasons if name in faults]
    facts = Facts(record=record)
    audited = [rule.name for rule in audit if rule.find(facts) is not None]
    reason = (
        _no_success(record, value, threshold)
        or _unlooked(facts)
        or _first("fault", found)
        or _first("audit", audited)
        or _missing_part(record)
    )
    again = [LOOKED_AGAIN] * looked_again(record)
    marks = [ACCEPTED] * (reason is None)
    return Verdict(
        reason=reason,
        value=value,
        labels=(*labelled.reasons, *audited, *again, *marks),
        desirable=labelled.desirable,
    )


def label_as_scored(
    record: Trajectory, *, right: bool, evidence_suffices: bool | None = None
) -> Labelled:
    """The labels of a record whose answer was scored, not compared letter by letter.

    Rules and decision ask `Trajectory.correct`, which an open answer in other words never is.

    Args:
        right: what scoring says.
        evidence_suffices: a judge's verdict.
    """
    if record.answer is not None and record.expected is not None and right != record.correct:
        scored = record.expected if right else f"not {record.expected}"
        record = record.model_copy(update={"answer": scored})
    return label_record(record, evidence_suffices=evidence_suffices)


def looked_again(record: Trajectory) -> bool:
    """Whether a Reflection on frames was followed by another call."""
    return any(
        bool(turn.reflection) and any(call.frames for call in turn.calls) and after.calls != []
        for turn, after in zip(record.turns, record.turns[1:], strict=False)
    )


def _no_success(record: Trajectory, value: float, threshold: float) -> str | None:
    if record.stop_reason == "policy_error":
        return POLICY_FAILED
    if record.answer is None:
        return f"no answer: {record.stop_reason}"
    return None if value >= threshold else "wrong answer"


def _unlooked(facts: Facts) -> str | None:
    return None if facts.looks else "right without a look"


def _first(kind: str, names: Sequence[str]) -> str | None:
    return f"{kind}: {names[0]}" if names else None


def _missing_part(record: Trajectory) -> str | None:
    for turn in record.turns:
        if turn.outcome == "calls" and not turn.summary:
            return "format: no Summary before a call"
        if turn.outcome == "calls" and not turn.plan.text:
            return "format: no Plan before a call"
        if any(call.frames for call in turn.calls) and not turn.reflection:
            return "format: no Reflection on a look"
    return None
