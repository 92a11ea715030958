"""Which calls an action runs: those that the policy wrote, or those that a person put in place.

A person who stopped the graph before `action` changes `calls` in the state. The assistant message
is then written anew under the same id, so that the policy reads what really ran; the original
stays in the record.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

from langchain_core.messages import AnyMessage

from eva_graph.dialects import ToolCall
from eva_graph.dialects.identity import unique_ids
from eva_graph.dialects.native import native_calls_of
from eva_graph.dialects.storable import check_storable
from eva_graph.episode import Episode
from eva_graph.errors import InvalidRequest


def calls_to_run(
    episode: Episode, turn: int, *, wanted: Sequence[Any] | None, sampled: list[ToolCall]
) -> list[ToolCall]:
    """The wanted calls, each with an id: a person need not invent any. None: those sampled.

    Raises:
        InvalidRequest: what a person put in place is no call, or nothing at all.
    """
    if wanted is None:
        return sampled
    if sampled and not wanted:
        raise InvalidRequest(
            "calls is empty: put at least one call in place, or end the run without resuming it"
        )
    for call in wanted:
        _check(call)
    given = [str(call.get("id") or "") for call in wanted]
    ids = unique_ids(given, episode.message_id(turn, "assistant"))
    return [
        cast("ToolCall", {**call, "id": call_id}) for call, call_id in zip(wanted, ids, strict=True)
    ]


def edited_message(episode: Episode, turn: int, text: str, calls: Sequence[ToolCall]) -> AnyMessage:
    """The assistant message as if the policy had written these calls."""
    dialect = episode.wiring.dialect
    return dialect.assistant(
        dialect.with_calls(text, calls),
        native_calls_of(calls),
        episode.message_id(turn, "assistant"),
    )


def _check(call: Any) -> None:
    usable = isinstance(call, dict) and isinstance(call.get("tool"), str)
    if not usable or not isinstance(call.get("arguments"), dict):
        shape = '{"tool": "frame_select", "arguments": {…}}'
        raise InvalidRequest(f"a call must look like {shape}, not {call!r:.200}")
    try:
        check_storable(call)
    except ValueError as error:
        raise InvalidRequest(f"the call {call!r:.200} cannot be kept: {error}") from None
