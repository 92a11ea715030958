"""The card of a KTO set."""

from __future__ import annotations

from collections.abc import Sequence

from eva_graph_training.data.card import Card
from eva_graph_training.data.kto_plan import KtoCounts, KtoPlan
from eva_graph_training.data.workplace import TRAIN


def kto_card(plan: KtoPlan, counts: KtoCounts, sources: Sequence[str]) -> Card:
    """Rows by label and rule, what was left out and why, sources and settings."""
    data = plan.data
    rows = counts.desirable + counts.undesirable
    return Card(
        title="Labelled episodes for KTO",
        summary=(
            f"{rows} rows, {counts.share:.1%} desirable, out of {counts.episodes} episodes. Frames "
            "are pictures of the source videos and stay under the licences of those videos."
        ),
        tables={
            "Rows": {"desirable": counts.desirable, "undesirable": counts.undesirable},
            "Rows by rule": dict(sorted(counts.rules.items())),
            "All episodes by rule": dict(sorted(counts.rules_of_all.items())),
            "Episodes left out": dict(sorted(counts.left_out.items())),
            "Questions left out": dict(sorted(counts.chosen.left_out.items())),
            "Sources": {
                **{f"run {n}": run.resolve().name for n, run in enumerate(plan.runs, start=1)},
                "episodes played here": counts.played,
                **{f"questions {n}": source for n, source in enumerate(sources, start=1)},
            },
            "Settings": {
                "policy that was resampled": plan.wiring.policy.info.name
                if plan.wiring
                else "none",
                "judge": "asked" if plan.judge else "none",
                "seed": plan.seed,
                "size asked for": data.kto_episodes,
                "desirable share asked for": data.kto_desirable_share,
                "mix": plan.mix.value,
                "attempts at a question": data.attempts,
                "temperature": plan.context.temperature,
                "open answers right from mean ROUGE": data.failure_threshold,
                "held-out share of the videos": data.held_out_share,
            },
        },
        usage=f"eva-graph train kto RECIPE --set 'kto.data=[{plan.out.name}/{TRAIN}]'",
    )
