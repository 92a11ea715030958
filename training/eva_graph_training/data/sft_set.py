"""The SFT set: what a teacher solved well, as rows for the first stage.

OUT/run/               every attempt, with labels; accepted ones carry `accepted`
OUT/train/             the accepted ones, as `trl-sft`
OUT/README.md          the card
OUT/held_out.jsonl     questions on videos that are kept from every stage
OUT/guidance.jsonl     what each attempt was told beside the format
OUT/experiences.jsonl  the experience bank
OUT/blind.jsonl        what the teacher answered without the video
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from eva_graph.evaluation.questions import EvalQuestion
from eva_graph.trajectory import RecordFilter, Trajectory
from eva_graph_training.data.acceptance import ACCEPTED, LOOKED_AGAIN, POLICY_FAILED, Verdict
from eva_graph_training.data.attempts import POLICY_ERROR
from eva_graph_training.data.card import Card
from eva_graph_training.data.families import family_of
from eva_graph_training.data.parallel import side_by_side
from eva_graph_training.data.question_files import write_questions
from eva_graph_training.data.tasks import TaskSet, choose_tasks
from eva_graph_training.data.teaching import Rollouts, TeachingPlan
from eva_graph_training.data.workplace import (
    CARD,
    RUN,
    TRAIN,
    digest,
    fresh_train_folder,
    workplace,
    write_whole,
)
from eva_graph_training.export.exporting import ExportRequest, export
from eva_graph_training.export.forms import FORMS
from eva_graph_training.export.selection import Selection, Split

SURPLUS = "surplus"
"""Label of an accepted episode beyond the size of the set."""


@dataclass(slots=True, kw_only=True)
class SftCounts:
    """What became of questions and attempts.

    Attributes:
        questions: how many there were.
        left_out: those that could not be played at all, by reason.
        held_out: those on videos that are kept from every stage.
        fates: of the others.
        blind: those that the teacher answered without the video, played or not.
        attempts: accepted, or why not.
        attempts_by_family, accepted_by_family: by prompt family.
        looked_again: accepted episodes whose Reflection was followed by another look.
        experiences: in the bank, by who put them into words.
        rows: in OUT/train.
    """

    questions: int = 0
    left_out: Counter[str] = field(default_factory=Counter)
    held_out: int = 0
    fates: Counter[str] = field(default_factory=Counter)
    blind: int = 0
    attempts: Counter[str] = field(default_factory=Counter)
    attempts_by_family: Counter[str] = field(default_factory=Counter)
    accepted_by_family: Counter[str] = field(default_factory=Counter)
    looked_again: int = 0
    experiences: Counter[str] = field(default_factory=Counter)
    rows: int = 0

    def to_json(self) -> dict[str, Any]:
        """The counts as plain JSON."""
        names = list(self.__dataclass_fields__)
        values = ((name, getattr(self, name)) for name in names)
        return {name: dict(v) if isinstance(v, Counter) else v for name, v in values}


def build_sft(
    plan: TeachingPlan,
    questions: Sequence[EvalQuestion],
    *,
    sources: Sequence[str] = (),
    advance: Callable[[str], None] = lambda stage: None,
) -> SftCounts:
    """Build the set, or go on with one that was begun.

    Args:
        sources: what the questions were read from, for the card.
        advance: called with `videos` for every question checked, `questions` for every one played.

    Raises:
        DataError: the folder is in use or was begun with other settings, the teacher keeps
            failing, or nothing was accepted.
        PolicyError: the teacher cannot be reached.
        EvaGraphError: something cannot be read or written.
    """
    build = {
        "set": "sft",
        "seed": plan.seed,
        "questions": digest(questions),
        "families": [family.value for family in plan.families],
        "held_out_share": plan.data.held_out_share,
    }
    split = Split(train_fraction=1 - plan.data.held_out_share, seed=plan.seed)
    with workplace(plan.out, build):
        chosen = choose_tasks(
            questions,
            split=split,
            videos=plan.wiring.videos,
            advance=lambda: advance("videos"),
        )
        write_questions(plan.out / "held_out.jsonl", chosen.held_out)
        rollouts = Rollouts(plan, chosen.tasks)
        work = side_by_side(
            rollouts.solve, chosen.tasks, workers=plan.workers, enough=rollouts.enough
        )
        for _ in work:
            advance("questions")
        counts = _mark(plan, chosen, rollouts)
        write_whole(plan.out / CARD, _card(plan, counts, sources).text())
        accepted = Selection(where=RecordFilter(labels=frozenset({ACCEPTED})))
        export(
            ExportRequest(
                runs=[plan.out / RUN],
                form=FORMS["trl-sft"],
                out=fresh_train_folder(plan.out),
                selection=accepted,
                split=split,
            )
        )
    return counts


def _mark(plan: TeachingPlan, chosen: TaskSet, rollouts: Rollouts) -> SftCounts:
    """Write verdicts into the records, and count."""
    solved = [task.key for task in chosen.tasks if task.key in rollouts.solved]
    kept = frozenset(solved[: plan.data.sft_episodes])
    counts = SftCounts(
        questions=chosen.questions,
        left_out=chosen.left_out,
        held_out=len(chosen.held_out),
        fates=Counter(rollouts.fate(task) for task in chosen.tasks),
        blind=sum(rollouts.knows_blind(task) for task in chosen.tasks),
        experiences=Counter(experience.by for experience in rollouts.bank),
        rows=len(kept),
    )
    if rollouts.verdicts:
        rollouts.player.store.amend(_marked(plan, rollouts, kept, counts))
    return counts


def _marked(
    plan: TeachingPlan, rollouts: Rollouts, kept: frozenset[str], counts: SftCounts
) -> Iterator[Trajectory]:
    """The records that change; all are counted."""
    for attempt, record in rollouts.player.played():
        verdict = rollouts.verdicts.get(attempt)
        if record.stop_reason == POLICY_ERROR:
            counts.attempts[POLICY_FAILED] += 1
            continue
        if verdict is None:
            continue
        family = family_of(attempt.key, attempt.number, plan.families).value
        labels = [*verdict.labels, f"family_{family}"]
        if ACCEPTED in labels and attempt.key not in kept:
            labels[labels.index(ACCEPTED)] = SURPLUS
        _count(counts, verdict, family, labels)
        if (labels, verdict.desirable) != (record.labels, record.desirable):
            yield record.model_copy(update={"labels": labels, "desirable": verdict.desirable})


def _count(counts: SftCounts, verdict: Verdict, family: str, labels: Sequence[str]) -> None:
    surplus = f"{ACCEPTED}, beyond the size of the set"
    is_accepted = SURPLUS not in labels
    counts.attempts[verdict.reason or (ACCEPTED if is_accepted else surplus)] += 1
    counts.attempts_by_family[family] += 1
    if verdict.reason is None and is_accepted:
        counts.accepted_by_family[family] += 1
        counts.looked_again += LOOKED_AGAIN in labels


def _card(plan: TeachingPlan, counts: SftCounts, sources: Sequence[str]) -> Card:
    data = plan.data
    return Card(
        title="Teacher rollouts for SFT",
        summary=(
            f"{counts.rows} accepted episodes out of {counts.attempts.total()} attempts at "
            f"{counts.questions} questions. Frames are pictures of the source videos and stay "
            "under the licences of those videos."
        ),
        tables={
            "Questions": {
                "read": counts.questions,
                **{f"left out: {name}": n for name, n in sorted(counts.left_out.items())},
                "on held-out videos": counts.held_out,
                **dict(sorted(counts.fates.items())),
                "of all played, answered right without the video": counts.blind,
            },
            "Attempts": dict(sorted(counts.attempts.items())),
            "Attempts by prompt family": dict(sorted(counts.attempts_by_family.items())),
            "Accepted by prompt family": dict(sorted(counts.accepted_by_family.items())),
            "Accepted episodes": {"reflected on a look, then looked again": counts.looked_again},
            "Experiences, by who put them into words": dict(sorted(counts.experiences.items())),
            "Sources": {str(n): source for n, source in enumerate(sources, start=1)},
            "Settings": {
                "teacher": plan.wiring.policy.info.name,
                "seed": plan.seed,
                "size asked for": data.sft_episodes,
                "attempts at a question": data.attempts,
                "prompt families": ", ".join(plan.families),
                "temperature": plan.context.temperature,
                "open answers right from mean ROUGE": data.failure_threshold,
                "held-out share of the videos": data.held_out_share,
                "questions answered blind": "kept" if plan.keep_blind else "not played",
            },
        },
        usage=f"eva-graph train sft RECIPE --set 'sft.data=[{plan.out.name}/{TRAIN}]'",
    )
