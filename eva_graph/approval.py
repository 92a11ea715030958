"""A person's word on every look, asked with LangGraph's `interrupt` before anything runs.

The interrupt's value is `{"trajectory_id", "question", "turn", "calls", "problem"}`.
`Command(resume=True)` runs the calls as they are; a list of calls in place of True replaces them.
A word that cannot be used is asked for again, and `problem` says what is wrong with it.
"""

from __future__ import annotations

from typing import Any

from langgraph.types import interrupt

from eva_graph.edits import calls_to_run
from eva_graph.episode import Episode
from eva_graph.errors import InvalidRequest
from eva_graph.state import AgentState


def approved_calls(episode: Episode, state: AgentState) -> list[Any]:
    """What may run: the state's calls where nobody is asked, else what a person says."""
    problem: str | None = None
    while episode.wiring.approve:
        word = interrupt(
            {
                "trajectory_id": episode.trajectory_id,
                "question": episode.question.text,
                "turn": state["turn"],
                "calls": state["calls"],
                "problem": problem,
            }
        )
        if word is True:
            break
        try:
            return _replaced(episode, state, word)
        except InvalidRequest as error:
            problem = str(error)
    return list(state["calls"])


def _replaced(episode: Episode, state: AgentState, word: object) -> list[Any]:
    if not isinstance(word, list):
        raise InvalidRequest(
            f"resume with True to run the calls, or with a list of calls, not {word!r:.80}"
        )
    return list(calls_to_run(episode, state["turn"], wanted=word, sampled=state["calls"]))
