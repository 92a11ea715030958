"""Folds an episode's journal into its record. Pure: the same events give the same record.

Reflection on turn k's frames is written in message k+1 and moved to turn k here. Token deltas are
taken between consecutive prompts; where a prompt does not begin with the previous prompt and
sampled ids, `prefix_ok` is false and the whole prompt is kept, with all its image grids; so it is
after a turn that a person edited, whose ids are void.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from eva_graph.errors import TrajectoryError
from eva_graph.trajectory.journal import Event
from eva_graph.trajectory.schema import (
    CallRecord,
    PlanRecord,
    TokenRecord,
    Trajectory,
    TurnRecord,
    UsageRecord,
)


def fold(trajectory_id: str, events: Iterable[Event]) -> Trajectory:
    """The record of an episode, finished or not.

    Raises:
        TrajectoryError: the journal has no start event.
    """
    by_kind: dict[str, dict[int, dict[str, Any]]] = {}
    for event in events:
        by_kind.setdefault(event["kind"], {})[event["turn"]] = event["data"]
    start = by_kind.get("start", {}).get(0)
    if start is None:
        raise TrajectoryError(f"no journal of trajectory {trajectory_id}: nothing was recorded")
    messages = by_kind.get("message", {})
    looks = by_kind.get("look", {})
    turns = _turns(messages, by_kind.get("plan", {}), looks)
    end = dict(by_kind.get("end", {}).get(0, {}))
    usage = _usage(turns, [CallRecord(**look) for look in start.get("opening_looks", ())])
    usage.requests += end.pop("failed_requests", 0)
    return Trajectory(
        trajectory_id=trajectory_id,
        messages=_transcript(start["messages"], messages, looks),
        turns=turns,
        usage=usage,
        **{key: value for key, value in start.items() if key != "messages"},
        **end,
    )


def _turns(
    messages: Mapping[int, dict[str, Any]],
    plans: Mapping[int, dict[str, Any]],
    looks: Mapping[int, dict[str, Any]],
) -> list[TurnRecord]:
    turns: list[TurnRecord] = []
    context_ids: list[int] | None = []
    grids_seen = 0
    for number in sorted(messages):
        data = dict(messages[number])
        reflection = data.pop("reflection", "")
        raw_tokens = data.pop("tokens", None)
        data.pop("message")
        look = looks.get(number, {})
        edited = bool(look.get("edited"))
        tokens = None
        if edited:  # what was sampled is not what is read from here on
            context_ids = None
        elif raw_tokens is not None:
            tokens, context_ids = _tokens(raw_tokens, context_ids, grids_seen)
            grids_seen = len(raw_tokens["image_grids"] or ())
        turns.append(
            TurnRecord(
                turn=number,
                plan=PlanRecord(**plans.get(number, {})),
                calls=[CallRecord(**call) for call in look.get("calls", ())],
                edited=edited,
                sampled_calls=look.get("sampled_calls"),
                tokens=tokens,
                **data,
            )
        )
        if len(turns) > 1:
            turns[-2].reflection = reflection
    return turns


def _tokens(
    raw: Mapping[str, Any], context_ids: list[int] | None, grids_seen: int
) -> tuple[TokenRecord, list[int]]:
    prompt: list[int] = raw["prompt_token_ids"]
    known = len(context_ids or ())
    prefix_ok = prompt[:known] == context_ids
    grids = raw["image_grids"]
    record = TokenRecord(
        prompt_delta_ids=prompt[known:] if prefix_ok else prompt,
        token_ids=raw["token_ids"],
        logprobs=raw["logprobs"],
        logprobs_kind=raw["logprobs_kind"],
        prefix_ok=prefix_ok,
        image_grids=None if grids is None else grids[grids_seen if prefix_ok else 0 :],
    )
    return record, prompt + raw["token_ids"]


def _transcript(
    opening: list[dict[str, Any]],
    messages: Mapping[int, dict[str, Any]],
    looks: Mapping[int, dict[str, Any]],
) -> list[dict[str, Any]]:
    transcript = list(opening)
    for number in sorted(messages):
        look = looks.get(number, {})
        transcript.append(look.get("edited_message") or messages[number]["message"])
        transcript += look.get("messages", ())
    return transcript


def _usage(turns: list[TurnRecord], opening_looks: list[CallRecord]) -> UsageRecord:
    calls = [*opening_looks, *(call for turn in turns for call in turn.calls)]
    told = [turn.cached_tokens for turn in turns if turn.cached_tokens is not None]
    return UsageRecord(
        policy_calls=sum(turn.policy_calls for turn in turns),
        requests=sum(turn.requests for turn in turns),
        prompt_tokens=sum(turn.prompt_tokens or 0 for turn in turns),
        completion_tokens=sum(turn.completion_tokens or 0 for turn in turns),
        cached_tokens=sum(told) if told else None,
        last_prompt_tokens=turns[-1].prompt_tokens if turns else None,
        visual_tokens=sum(call.visual_tokens for call in calls),
        frames=sum(len(call.frames) for call in calls),
        policy_seconds=sum(turn.seconds for turn in turns),
        look_seconds=sum(call.seconds for call in calls),
    )
