"""Labels for the records of a run, and what KTO makes of each.

Desirable: right and grounded. Undesirable: a wrong answer, or none, with a fault that explains it;
and a guess, even a right one. Everything else is fit for neither side: a right answer with a fault
would teach the fault, a wrong one without any would punish a good look; what a server broke, what
has no reference answer, and what was written in phases is not the policy's to be judged by.
Stage two of the paper has 63 % desirable rows.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

from eva_graph.trajectory import RunStore, Trajectory
from eva_graph_training.labels.facts import Facts
from eva_graph_training.labels.judge import Judge
from eva_graph_training.labels.report import Labelled, LabelReport
from eva_graph_training.labels.rule import Rule, rules

UNSUPPORTED = "unsupported_answer"
"""What a judge said stays said when a run is labelled again without one."""
_GUESSES = frozenset({"blind_guess", UNSUPPORTED})


def label_record(
    record: Trajectory,
    *,
    taxonomy: Sequence[Rule] | None = None,
    evidence_suffices: bool | None = None,
) -> Labelled:
    """The labels of a record, why each was given, and the decision.

    Args:
        record: the episode.
        taxonomy: rules; None for all that are registered.
        evidence_suffices: a judge's verdict.
    """
    chosen = rules() if taxonomy is None else taxonomy
    facts = Facts(record=record, evidence_suffices=evidence_suffices)
    found = _found(facts, [rule for rule in chosen if rule.kind == "fault"])
    faults = tuple(found)
    merits = [rule for rule in chosen if rule.kind == "merit"]
    found |= _found(replace(facts, faults=faults), merits)
    return Labelled(
        trajectory_id=record.trajectory_id,
        correct=record.correct,
        reasons=found,
        desirable=_decision(record, faults, merit=len(found) > len(faults)),
    )


def label_run(
    store: RunStore,
    *,
    taxonomy: Sequence[Rule] | None = None,
    judge: Judge | None = None,
    write: bool = True,
    advance: Callable[[], None] = lambda: None,
) -> LabelReport:
    """Label every record of a run; changed ones are written back as amended records.

    Labels that no rule of the taxonomy gives (a person's, another tool's) stay.

    Raises:
        TrajectoryError: nothing was recorded, or a record cannot be read or written.
        PolicyError: the judge failed.
        FrameMissing: the judge was to see a frame that is gone.
    """
    report = LabelReport(rules=rules() if taxonomy is None else tuple(taxonomy))
    amended = _amended(store, report, judge, advance)
    if write:
        store.amend(amended)
    else:
        for _ in amended:
            continue
    return report


def _amended(
    store: RunStore, report: LabelReport, judge: Judge | None, advance: Callable[[], None]
) -> Iterator[Trajectory]:
    """The records whose labels or decision change; all are added to the report."""
    ours = {rule.name for rule in report.rules}
    for record in store.records():
        suffices = False if UNSUPPORTED in record.labels else None
        if judge is not None and record.answer is not None:
            suffices = judge.suffices(record, store.frames)
        labelled = label_record(record, taxonomy=report.rules, evidence_suffices=suffices)
        report.add(labelled)
        advance()
        others = [name for name in record.labels if name not in ours]
        labels, desirable = [*others, *labelled.reasons], labelled.desirable
        if (labels, desirable) != (record.labels, record.desirable):
            yield record.model_copy(update={"labels": labels, "desirable": desirable})


def _found(facts: Facts, chosen: Sequence[Rule]) -> dict[str, str]:
    reasons = {rule.name: rule.find(facts) for rule in chosen}
    return {name: reason for name, reason in reasons.items() if reason is not None}


def _decision(record: Trajectory, faults: Sequence[str], *, merit: bool) -> bool | None:
    if _in_phases(record) or record.stop_reason in (None, "policy_error"):
        return None
    if not _GUESSES.isdisjoint(faults):
        return False
    if record.correct is False and faults:
        return False
    return True if merit else None


def _in_phases(record: Trajectory) -> bool:
    spans = [span for turn in record.turns for span in turn.spans]
    return any(turn.policy_calls > 1 for turn in record.turns) or not all(s.sampled for s in spans)
