"""`calls="phase"`: each node continues the assistant message with its own part.

Headings are injected, parts are sampled up to the next heading, and the action is held to the
tools' schema by guided decoding. For general models that were never trained on the format; phase
trajectories are for evaluation and SFT, not for KTO or GRPO.
"""

from __future__ import annotations

from collections.abc import Sequence

from langchain_core.messages import AnyMessage

from eva_graph.driver import Core
from eva_graph.episode import Episode
from eva_graph.policy.call_regex import calls_regex
from eva_graph.state import Draft
from eva_graph.turns import Written, write_part


def summary_part(
    episode: Episode, messages: Sequence[AnyMessage], *, turn: int, before: Draft | None
) -> Core[Written]:
    """Everything known so far, up to the plan."""
    return (
        yield from write_part(
            episode,
            messages,
            turn,
            lead="\nSummary:" if before else "Summary:",
            before=before,
            stop=("\nPlan:", "<tool_call>"),
        )
    )


def plan_part(
    episode: Episode, messages: Sequence[AnyMessage], *, turn: int, before: Draft
) -> Core[Written]:
    """Candidates and choice, up to the call; the policy may answer instead."""
    return (
        yield from write_part(
            episode, messages, turn, lead="\nPlan:", before=before, stop=("<tool_call>",)
        )
    )


def call_part(
    episode: Episode, messages: Sequence[AnyMessage], *, turn: int, before: Draft
) -> Core[Written]:
    """The call itself, held to the schemas of the offered tools."""
    return (
        yield from write_part(
            episode,
            messages,
            turn,
            lead=_line(before) + "<tool_call>",
            before=before,
            stop=("</tool_call>",),
            close="</tool_call>",
            complete=True,
            regex=calls_regex(episode.tools.values()),
        )
    )


def reflection_part(
    episode: Episode, messages: Sequence[AnyMessage], *, turn: int
) -> Core[Written]:
    """What the last look showed, up to the summary; an answer ends the episode."""
    return (
        yield from write_part(
            episode,
            messages,
            turn,
            lead="Reflection:",
            before=None,
            stop=("\nSummary:", "<tool_call>"),
        )
    )


def answer_part(
    episode: Episode, messages: Sequence[AnyMessage], *, turn: int, before: Draft
) -> Core[Written]:
    """The answer in the turn where it has to come."""
    return (
        yield from write_part(
            episode,
            messages,
            turn,
            lead=_line(before) + "<answer>",
            before=before,
            stop=("</answer>",),
            close="</answer>",
            complete=True,
        )
    )


def _line(before: Draft) -> str:
    return "" if before["text"].endswith("\n") else "\n"
