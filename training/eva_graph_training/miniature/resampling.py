"""KTO's set: attempts of the SFT policy at temperature 1, judged against one another.

Undesirable: wrong, without an answer, with a fault, or right at `wasteful_factor` times the visual
tokens of the cheapest success at the same question. Desirable: the other successes. That is the
paper's stage two, too many and too few frames alike, without thresholds for filmed video.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from eva_graph.evaluation import EvalQuestion
from eva_graph.graph import wire
from eva_graph.policy.resolve import resolve_policy
from eva_graph.trajectory import RunStore, Trajectory
from eva_graph.videos import OpenVideos
from eva_graph_training.data.attempts import POLICY_ERROR, Player
from eva_graph_training.data.kto_choice import Mix, choose_sides
from eva_graph_training.data.resampling import resample
from eva_graph_training.data.tasks import Task, video_id_of
from eva_graph_training.data.workplace import RUN
from eva_graph_training.errors import DataError
from eva_graph_training.miniature.plan import KtoSizes, MiniaturePlan
from eva_graph_training.miniature.playing import faults, right

WASTEFUL = "wasteful"
_LEAST_TOKENS = 16
"""Below that nothing is a waste."""


def resample_for_kto(
    folder: Path, plan: MiniaturePlan, model: Path, questions: Sequence[EvalQuestion]
) -> dict[str, int]:
    """Play, label and balance; the set is the run directory `folder/run`.

    Raises:
        DataError: one side is empty: no success, or no failure.
        EvaGraphError: the model cannot be loaded, or a record not be written.
    """
    videos = OpenVideos()
    tools = plan.recipe.episode.tools
    player = Player(
        wire(resolve_policy(str(model)), tools=tools, videos=videos),
        folder / RUN,
        context=replace(plan.recipe.episode.context(), temperature=1.0),
        seed=plan.seed * 1_000,
    )
    tasks = [Task(question=one, video_id=video_id_of(one.video, videos) or "") for one in questions]
    attempts, workers = plan.kto.attempts, plan.concurrency
    for _ in resample(player, tasks, attempts=attempts, workers=workers):
        continue
    by_key = {one.question_id: one for one in questions}
    return label_attempts(player.store, by_key, plan.kto, seed=plan.seed)


def label_attempts(
    store: RunStore, questions: Mapping[str, EvalQuestion], sizes: KtoSizes, *, seed: int
) -> dict[str, int]:
    """Write labels and sides into the records of a run; how many of each there are.

    Raises:
        DataError: one side is empty.
    """
    labels = dict(_labels(store, questions, sizes.wasteful_factor))
    sides: dict[bool, list[str]] = {True: [], False: []}
    for key, name in labels.items():
        if name is not None:
            sides[name == ""].append(key)
    if not all(sides.values()):
        raise DataError(
            f"{len(sides[True])} desirable and {len(sides[False])} undesirable attempts: KTO needs "
            "both; raise kto.questions or kto.attempts"
        )
    taken = choose_sides(
        sides[True],
        sides[False],
        size=sizes.rows,
        share=sizes.desirable_share,
        mix=Mix.BALANCED,
        seed=seed,
    )
    decided = dict.fromkeys(taken.desirable, True) | dict.fromkeys(taken.undesirable, False)
    store.amend(
        record.model_copy(
            update={
                "labels": [name] if (name := labels[record.trajectory_id]) else [],
                "desirable": decided.get(record.trajectory_id),
            }
        )
        for record in store.records()
    )
    told = Counter(name or "success" for name in labels.values() if name is not None)
    return {"desirable": len(taken.desirable), "undesirable": len(taken.undesirable), **told}


def _labels(
    store: RunStore, questions: Mapping[str, EvalQuestion], factor: float
) -> Iterator[tuple[str, str | None]]:
    """By trajectory: "" for a good success, a fault's name, None for what nobody is to judge."""
    cheapest: dict[str, int] = {}
    found: dict[str, tuple[str, int, str | None]] = {}
    for record in store.records():
        key = record.question_id or ""
        tokens = record.usage.visual_tokens
        fault = _fault(record, questions[key])
        found[record.trajectory_id] = (key, tokens, fault)
        if fault == "":
            cheapest[key] = min(tokens, cheapest.get(key, tokens))
    for trajectory_id, (key, tokens, fault) in found.items():
        least = max(cheapest.get(key, 0), _LEAST_TOKENS)
        yield trajectory_id, WASTEFUL if fault == "" and tokens > factor * least else fault


def _fault(record: Trajectory, question: EvalQuestion) -> str | None:
    if record.stop_reason == POLICY_ERROR:
        return None
    found = faults(record, question)
    if found:
        return found[0]
    return "" if right(record, question) else "wrong"
