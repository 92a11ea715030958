"""Ids of calls: every call of a turn gets one of its own, derived from its message if need be."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from eva_graph.dialects.json_values import encodable
from eva_graph.dialects.turn import Calls, Malformed, Outcome, ToolCall


def unique_ids(ids: Sequence[str], message_id: str) -> tuple[str, ...]:
    """`ids`, with missing and repeated ones replaced: an answer has to find its one call."""
    unique: list[str] = []
    for index, given in enumerate(map(encodable, ids)):
        unique.append(given if given and given not in unique else f"{message_id}:{index}")
    return tuple(unique)


def number_calls(outcome: Outcome, message_id: str) -> Outcome:
    """The outcome with an id for every call, the unreadable ones included."""
    if isinstance(outcome, Malformed):
        return replace(outcome, call_ids=unique_ids(outcome.call_ids, message_id))
    if not isinstance(outcome, Calls):
        return outcome
    ids = unique_ids([call["id"] for call in outcome.calls], message_id)
    numbered: list[ToolCall] = []
    for call, call_id in zip(outcome.calls, ids, strict=True):
        numbered.append({**call, "id": call_id})
    return Calls(calls=tuple(numbered))
