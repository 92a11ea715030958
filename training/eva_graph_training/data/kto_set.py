"""The KTO set: resampled successes and judged failures, at the share of the recipe.

OUT/played/       attempts of the policy, where questions are given: the SFT model's plays
OUT/run/          those and the given runs, labelled; what the set holds carries `kto`
OUT/judged.jsonl  verdicts of the judge
OUT/train/        the set, as `trl-kto`
OUT/README.md     the card

Given runs are read and never changed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from eva_graph.trajectory import RecordFilter, RunStore, Trajectory
from eva_graph.trajectory.merge import merge_runs
from eva_graph_training.data.attempts import Player
from eva_graph_training.data.kto_card import kto_card
from eva_graph_training.data.kto_choice import Sides, balanced, choose_sides
from eva_graph_training.data.kto_labels import KtoLabels
from eva_graph_training.data.kto_plan import KtoCounts, KtoPlan
from eva_graph_training.data.parallel import side_by_side
from eva_graph_training.data.resampling import resample
from eva_graph_training.data.tasks import choose_tasks
from eva_graph_training.data.workplace import (
    CARD,
    RUN,
    digest,
    fresh_train_folder,
    workplace,
    write_whole,
)
from eva_graph_training.errors import DataError
from eva_graph_training.export.exporting import ExportRequest, export
from eva_graph_training.export.forms import FORMS
from eva_graph_training.export.selection import Selection, duplicate_key
from eva_graph_training.labels import Labelled, rules

CHOSEN = "kto"
"""Label of the episodes that the set holds."""
PLAYED = "played"


def build_kto(
    plan: KtoPlan,
    *,
    sources: Sequence[str] = (),
    advance: Callable[[str], None] = lambda stage: None,
) -> KtoCounts:
    """Build the set, or go on with one that was begun.

    Args:
        sources: what the questions were read from, for the card.
        advance: called with `videos` for every question checked, `attempts` for every one played
            and `labels` for every episode labelled.

    Raises:
        DataError: the folder is in use or was begun with other settings, the policy keeps failing,
            or one of the labels is missing.
        PolicyError: the policy or the judge cannot be reached.
        EvaGraphError: something cannot be read or written.
    """
    build = {"set": "kto", "seed": plan.seed, "questions": digest(plan.questions)}
    counts = KtoCounts()
    with workplace(plan.out, build):
        runs = [RunStore(run) for run in plan.runs]
        for run in runs:
            run.check_exists()
        if plan.wiring is not None:
            runs.append(_resampled(plan, counts, runs, advance))
        store = RunStore(plan.out / RUN)
        merge_runs([run for run in runs if len(run)], store)
        labelled = _label_all(plan, store, counts, advance)
        sides = _choose(plan, store, labelled, counts)
        store.amend(_marked(store, labelled, sides, counts))
        write_whole(plan.out / CARD, kto_card(plan, counts, sources).text())
        _export(plan)
    return counts


def _resampled(
    plan: KtoPlan,
    counts: KtoCounts,
    runs: Sequence[RunStore],
    advance: Callable[[str], None],
) -> RunStore:
    """The policy's attempts, as many as the set still needs."""
    if plan.wiring is None:
        raise AssertionError("only a plan with a policy is resampled")
    player = Player(plan.wiring, plan.out / PLAYED, context=plan.context, seed=plan.seed)
    labels = _labels(plan, player.store)
    supply = [0, 0]

    def count(record: Trajectory) -> None:
        desirable = labels.by_rule(record).desirable
        if desirable is not None and plan.split.side(record.video.video_id) == "train":
            supply[desirable] += 1

    counts.chosen = choose_tasks(
        plan.questions,
        split=plan.split,
        videos=plan.wiring.videos,
        advance=lambda: advance("videos"),
    )
    player.recover()
    for run in (*runs, player.store):
        for record in run.records() if len(run) else ():
            count(record)
    size, share = plan.data.kto_episodes, plan.data.kto_desirable_share
    new = resample(
        player,
        counts.chosen.tasks,
        attempts=plan.data.attempts,
        workers=plan.workers,
        enough=lambda: sum(balanced(supply[1], supply[0], size=size, share=share)) >= size,
    )
    for record in new:
        count(record)
        advance("attempts")
    counts.played = len(player.store)
    return player.store


def _labels(plan: KtoPlan, store: RunStore) -> KtoLabels:
    return KtoLabels(
        plan.out / "judged.jsonl", store, judge=plan.judge, threshold=plan.data.failure_threshold
    )


def _label_all(
    plan: KtoPlan, store: RunStore, counts: KtoCounts, advance: Callable[[str], None]
) -> dict[str, Labelled]:
    """Every episode's labels, by trajectory id."""
    labels = _labels(plan, store)
    found: dict[str, Labelled] = {}
    for labelled in side_by_side(labels.label, store.records(), workers=plan.workers):
        found[labelled.trajectory_id] = labelled
        counts.rules_of_all.update(list(labelled.reasons))
        advance("labels")
    counts.episodes = len(found)
    return found


def _choose(
    plan: KtoPlan, store: RunStore, labelled: dict[str, Labelled], counts: KtoCounts
) -> Sides:
    """The episodes of the set.

    Raises:
        DataError: one of the labels is missing.
    """
    by_label: dict[bool, list[str]] = {True: [], False: []}
    seen: set[bytes] = set()
    for record in store.records():
        desirable = labelled[record.trajectory_id].desirable
        reason = _unfit(plan, record, desirable, seen)
        if reason is not None:
            counts.left_out[reason] += 1
        elif desirable is not None:
            by_label[desirable].append(record.trajectory_id)
    sides = choose_sides(
        by_label[True],
        by_label[False],
        size=plan.data.kto_episodes,
        share=plan.data.kto_desirable_share,
        mix=plan.mix,
        seed=plan.seed,
    )
    for label, chosen in ((True, sides.desirable), (False, sides.undesirable)):
        name = "desirable" if label else "undesirable"
        counts.left_out[f"more {name} ones than the set takes"] = len(by_label[label]) - len(chosen)
        if not chosen:
            raise DataError(
                f"{len(by_label[True])} desirable and {len(by_label[False])} undesirable episodes: "
                "KTO needs both; resample more questions, or give more runs"
            )
    counts.left_out = +counts.left_out
    return sides


def _unfit(
    plan: KtoPlan, record: Trajectory, desirable: bool | None, seen: set[bytes]
) -> str | None:
    if desirable is None:
        return "fit for neither side"
    if plan.split.side(record.video.video_id) != "train":
        return "on held-out videos"
    key = duplicate_key(record)
    if key in seen:
        return "same question and text as another one"
    seen.add(key)
    return None


def _marked(
    store: RunStore, labelled: dict[str, Labelled], sides: Sides, counts: KtoCounts
) -> Iterator[Trajectory]:
    """The records that change; the chosen ones are counted."""
    chosen = frozenset((*sides.desirable, *sides.undesirable))
    ours = {CHOSEN, *(rule.name for rule in rules())}
    counts.desirable, counts.undesirable = len(sides.desirable), len(sides.undesirable)
    for record in store.records():
        found = labelled[record.trajectory_id]
        labels = [*(name for name in record.labels if name not in ours), *found.reasons]
        if record.trajectory_id in chosen:
            counts.rules.update(list(found.reasons))
            labels.append(CHOSEN)
        if (labels, found.desirable) != (record.labels, record.desirable):
            yield record.model_copy(update={"labels": labels, "desirable": found.desirable})


def _export(plan: KtoPlan) -> None:
    export(
        ExportRequest(
            runs=[plan.out / RUN],
            form=FORMS["trl-kto"],
            out=fresh_train_folder(plan.out),
            selection=Selection(where=RecordFilter(labels=frozenset({CHOSEN}))),
            split=plan.split,
        )
    )
