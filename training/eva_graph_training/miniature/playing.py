"""Teachers of the miniature at work: processes that each play a share of the questions.

Every process has a run directory of its own, and what it played it does not play again. An episode
is accepted where it is right, in the right form and without a fault of looking; the attempts at a
question end with the first one that is.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import Literal

from eva_graph.evaluation import EvalQuestion, score
from eva_graph.graph import wire
from eva_graph.trajectory import RecordFilter, RunStore, Trajectory
from eva_graph.videos import OpenVideos
from eva_graph_training.data.acceptance import label_as_scored
from eva_graph_training.data.attempts import POLICY_ERROR, Attempt, Player
from eva_graph_training.data.tasks import Task, drawn, video_id_of
from eva_graph_training.data.workplace import fresh_train_folder
from eva_graph_training.export.exporting import ExportRequest, export
from eva_graph_training.export.forms import FORMS
from eva_graph_training.export.selection import Selection, Split
from eva_graph_training.miniature.footage import plots_of
from eva_graph_training.miniature.plan import MiniaturePlan
from eva_graph_training.miniature.styles import drawn_manner, fixed
from eva_graph_training.world.solver_policy import Manner, SolverPolicy

ACCEPTED = "accepted"
FAULTS = ("wrong_format", "no_answer", "over_budget", "wrong_window", "redundant_look")
"""Of the labels' taxonomy, what is a fault in this world too. Its other rules have thresholds for
filmed video: here 8 visual tokens can be all that an answer needs, and many questions need none."""
Teacher = Literal["styles", "fixed"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Share:
    """What one process plays.

    Attributes:
        run: its run directory.
        teacher: drawn manners, or the fixed workflow.
        questions: in the order in which they are played.
    """

    run: Path
    teacher: Teacher
    questions: tuple[EvalQuestion, ...]
    plan: MiniaturePlan


def teach(
    folder: Path, plan: MiniaturePlan, teacher: Teacher, questions: Sequence[EvalQuestion]
) -> dict[str, int]:
    """Play the questions and export what is accepted as rows for SFT to `folder/train`.

    Raises:
        DataError: the teacher fails at everything, or a folder cannot be written.
        EvaGraphError: a record cannot be written or exported.
    """
    shares = _shares(folder, plan, teacher, questions)
    if len(shares) == 1:
        told = [play_share(shares[0])]
    else:
        with ProcessPoolExecutor(len(shares), get_context("spawn")) as pool:
            told = list(pool.map(play_share, shares))
    counts: Counter[str] = sum(told, Counter())
    export_accepted([share.run for share in shares], folder)
    return dict(counts)


def play_share(share: Share) -> Counter[str]:
    """Play what was not played yet; what became of the attempts."""
    videos = OpenVideos()
    paths = {Path(one.video) for one in share.questions}
    policy = SolverPolicy(plots_of(paths), _manner(share))
    wiring = wire(policy, tools=share.plan.recipe.episode.tools, videos=videos)
    context = share.plan.recipe.episode.context()
    player = Player(wiring, share.run, context=context, seed=share.plan.seed * 1_000)
    player.recover()
    before = dict(player.played())
    by_key = {one.question_id: one for one in share.questions}
    for question in share.questions:
        task = Task(question=question, video_id=video_id_of(question.video, videos) or "")
        for number in range(share.plan.teacher.attempts):
            attempt = Attempt(key=task.key, number=number)
            record = before.get(attempt) or player.play(task, number)
            if accepted(record, question):
                break
    return _marked(player.store, by_key)


def accepted(record: Trajectory, question: EvalQuestion) -> bool:
    """Whether an episode is right, whole and without fault."""
    return right(record, question) and not faults(record, question)


def right(record: Trajectory, question: EvalQuestion) -> bool:
    """Whether its answer is the expected one."""
    return score(question, record).correct is True


def faults(record: Trajectory, question: EvalQuestion) -> list[str]:
    """The faults of this world that it has."""
    labelled = label_as_scored(record, right=right(record, question))
    return [name for name in labelled.reasons if name in FAULTS]


def export_accepted(runs: Sequence[Path], folder: Path) -> None:
    """Write the accepted episodes of runs as rows for SFT. Raises `EvaGraphError`."""
    export(
        ExportRequest(
            runs=list(runs),
            form=FORMS["trl-sft"],
            out=fresh_train_folder(folder),
            selection=Selection(where=RecordFilter(labels=frozenset({ACCEPTED}))),
            split=Split(train_fraction=1.0),
        )
    )


def chosen(questions: Sequence[EvalQuestion], count: int, seed: int) -> list[EvalQuestion]:
    """That many questions, drawn by the seed."""
    return sorted(questions, key=lambda one: drawn(seed, one.question_id))[:count]


def _shares(
    folder: Path, plan: MiniaturePlan, teacher: Teacher, questions: Sequence[EvalQuestion]
) -> list[Share]:
    """A video's questions stay together: it is opened by one process."""
    videos = sorted({one.video for one in questions})
    return [
        Share(
            run=folder / f"run-{number}",
            teacher=teacher,
            questions=tuple(one for one in questions if one.video in mine),
            plan=plan,
        )
        for number in range(plan.processes)
        if (mine := set(videos[number :: plan.processes]))
    ]


def _manner(share: Share) -> Manner:
    if share.teacher == "fixed":
        return lambda task, seed: fixed
    shares = share.plan.teacher
    return drawn_manner(shares.careful_share, shares.hasty_share)


def _marked(store: RunStore, by_key: dict[str, EvalQuestion]) -> Counter[str]:
    counts: Counter[str] = Counter()
    changed = []
    for record in store.records():
        question = by_key[record.question_id or ""]
        fine = record.stop_reason != POLICY_ERROR and accepted(record, question)
        counts[ACCEPTED if fine else "refused"] += 1
        labels = [ACCEPTED] if fine else []
        if labels != record.labels:
            changed.append(record.model_copy(update={"labels": labels}))
    store.amend(iter(changed))
    return counts
