"""GRPO's questions: what the policy fails first, and new ones of those kinds on unseen videos."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from eva_graph.evaluation import EvalQuestion
from eva_graph.graph import wire
from eva_graph.policy.resolve import resolve_policy
from eva_graph.videos import OpenVideos
from eva_graph_training.data.rl_plan import RlPlan
from eva_graph_training.data.rl_set import build_rl
from eva_graph_training.miniature.footage import plots_of
from eva_graph_training.miniature.plan import MiniaturePlan, RlSizes
from eva_graph_training.miniature.writer import WritingTeacher
from eva_graph_training.recipe import DataSettings

SET = "set"
"""Its folder below the step's: both are locked while they are worked in."""
QUESTIONS_FILE = f"{SET}/questions.jsonl"


def build_questions(
    folder: Path,
    plan: MiniaturePlan,
    model: Path,
    *,
    questions: Sequence[EvalQuestion],
    unseen: Sequence[Path],
) -> dict[str, Any]:
    """Build the set of one round of GRPO; see `eva_graph_training.data.rl_set`.

    Args:
        model: the policy so far.
        questions: of the train split, that it plays.
        unseen: videos for new ones.

    Raises:
        EvaGraphError: as `build_rl`.
    """
    enhanced = plan.rl.enhanced and bool(unseen)
    built = RlPlan(
        out=folder / SET,
        questions=questions,
        wiring=wire(
            resolve_policy(str(model)), tools=plan.recipe.episode.tools, videos=OpenVideos()
        ),
        context=replace(plan.recipe.episode.context(), temperature=1.0),
        data=rl_data(plan.rl),
        teacher=WritingTeacher(plots_of(set(unseen))) if enhanced else None,
        unseen=unseen if enhanced else (),
        questions_per_video=plan.rl.written_per_video,
        seed=plan.seed,
        workers=plan.concurrency,
    )
    return build_rl(built, sources=["the grown-up world's train split"]).to_json()


def rl_data(sizes: RlSizes) -> DataSettings:
    """Sizes and mix of a round's set."""
    choices = {
        "mixed": round(sizes.questions * sizes.choice_share),
        "choice": sizes.questions,
        "open": 0,
    }[sizes.mix]
    return DataSettings(
        rl_open_questions=sizes.questions - choices,
        rl_choice_questions=choices,
        attempts=sizes.attempts,
        enhancement_rounds=1,
        held_out_share=0.0,
    )
