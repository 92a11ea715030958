"""The card of an RL set."""

from __future__ import annotations

from collections.abc import Sequence

from eva_graph_training.data.card import Card
from eva_graph_training.data.rl_plan import RlCounts, RlPlan


def rl_card(plan: RlPlan, counts: RlCounts, sources: Sequence[str]) -> Card:
    """Questions by kind and standing, what was left out and why, rounds, sources and settings."""
    data = plan.data
    rounds = {
        f"Round {done.number} of enhancement": {
            "failures shown as examples, drawn from": done.failures,
            "videos written about": done.videos,
            "questions written": done.written,
            **{f"left out: {name}": n for name, n in sorted(done.left_out.items())},
            "new questions": len(done.tasks),
        }
        for done in counts.rounds
    }
    return Card(
        title="Questions for GRPO",
        summary=f"{counts.rows.total()} questions; what the policy fails comes first.",
        tables={
            "Questions": dict(sorted(counts.rows.items())),
            "Beyond the size of the set": dict(sorted(counts.left_out.items())),
            "Given questions": {
                "read": counts.chosen.questions,
                **{f"left out: {name}": n for name, n in sorted(counts.chosen.left_out.items())},
                "on held-out videos": len(counts.chosen.held_out),
            },
            "Unseen videos": dict(sorted(counts.unseen.items())),
            **rounds,
            "Sources": {str(n): source for n, source in enumerate(sources, start=1)},
            "Settings": {
                "policy": plan.wiring.policy.info.name,
                "teacher": plan.teacher.info.name if plan.teacher else "none",
                "seed": plan.seed,
                "open questions asked for": data.rl_open_questions,
                "multiple-choice questions asked for": data.rl_choice_questions,
                "attempts at a question": data.attempts,
                "temperature": plan.context.temperature,
                "a failure is worth less than": data.failure_threshold,
                "held-out share of the videos": data.held_out_share,
            },
        },
        usage=f"eva-graph train grpo RECIPE --set 'grpo.data=[{plan.out.name}/questions.jsonl]'",
    )
