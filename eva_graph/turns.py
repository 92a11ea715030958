"""How an assistant message comes to be: one policy call for a whole turn, or one for each part.

Both ways end in the same `Draft`, message and journal event. A part is written by continuing the
same assistant message behind a heading that we inject (`calls="phase"`); injected and sampled
stretches are told apart in the draft's spans.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, cast

from langchain_core.messages import AnyMessage

from eva_graph.dialects import Answer, Calls, Malformed, Neither, Outcome, Truncated
from eva_graph.dialects.json_values import encodable
from eva_graph.driver import Ask, Core
from eva_graph.episode import Episode
from eva_graph.errors import ContinuationUnsupported
from eva_graph.limits import estimate_tokens
from eva_graph.look import read_outcome
from eva_graph.policy.protocol import Completion, NativeCall, PolicyRequest
from eva_graph.state import Draft
from eva_graph.trajectory.messages import message_to_json

_LOG = logging.getLogger(__name__)
_MIN_NEW_TOKENS = 64
OUTCOME_NAMES: dict[type[Any], str] = {
    Answer: "answer",
    Calls: "calls",
    Malformed: "malformed",
    Neither: "neither",
    Truncated: "truncated",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Written:
    """A message, whole or in part, and the draft behind it."""

    message: AnyMessage
    draft: Draft
    context_tokens: int
    """Tokens of the transcript, this message included."""


def write_turn(episode: Episode, messages: Sequence[AnyMessage], turn: int) -> Core[Written]:
    """One policy call writes the whole assistant message. `PolicyError` passes through."""
    request = _request(episode, messages)
    completion = yield Ask(episode.wiring.policy, request)
    draft = _draft(completion, lead="", before=None, complete=True)
    return _written(episode, request, messages, turn, draft, completion, tokens=_tokens(completion))


def given_turn(episode: Episode, turn: int, text: str) -> AnyMessage:
    """A turn that no policy wrote: it is in the transcript, and recorded as not sampled."""
    draft = Draft(
        text=text,
        spans=[{"text": text, "sampled": False}],
        native_calls=[],
        finish_reason="stop",
        policy_calls=0,
        complete=True,
        prompt_tokens=None,
        completion_tokens=None,
        cached_tokens=None,
        requests=0,
        seconds=0.0,
        images_in="tool",
    )
    return _journalled(episode, turn, draft, max_new_tokens=None, tokens=None)


def write_part(
    episode: Episode,
    messages: Sequence[AnyMessage],
    turn: int,
    *,
    lead: str,
    before: Draft | None,
    stop: tuple[str, ...] = (),
    close: str = "",
    regex: str | None = None,
    complete: bool = False,
) -> Core[Written]:
    """Continue the turn's message behind `lead`; `close` is added after what was sampled.

    `messages` end before the message being written. Nothing closes what the token limit cut. A
    policy that cannot continue writes the whole turn instead, which is logged; what earlier parts
    had written is then replaced.
    """
    text = (before["text"] if before else "") + lead
    partial = episode.wiring.dialect.assistant(text, (), episode.message_id(turn, "assistant"))
    request = _request(
        episode, [*messages, partial], stop=stop, continue_final=True, guided_regex=regex
    )
    try:
        completion = yield Ask(episode.wiring.policy, request)
    except ContinuationUnsupported as error:
        _LOG.warning('calls="phase" falls back to whole turns: %s', error)
        return (yield from write_turn(episode, messages, turn))
    draft = _draft(completion, lead=lead, before=before, close=close, complete=complete)
    return _written(episode, request, messages, turn, draft, completion)


def in_phases(episode: Episode) -> bool:
    """Whether nodes write their own parts in this run."""
    if episode.context.calls != "phase" or episode.policy_error is not None:
        return False
    dialect = episode.wiring.dialect
    if episode.policy.supports_continuation and dialect.repairs and not dialect.native_tools:
        return True
    _LOG.warning(
        'calls="phase" falls back to whole turns: %s with %s cannot write one in parts',
        dialect.name,
        episode.policy.name,
    )
    return False


def read_draft(episode: Episode, draft: Draft, turn: int) -> Outcome:
    """The outcome of a written message. Never raises for what the policy wrote."""
    return read_outcome(
        episode.wiring.dialect,
        draft["text"],
        message_id=episode.message_id(turn, "assistant"),
        truncated=draft["finish_reason"] == "length",
        native_calls=native_calls(draft),
    )


def native_calls(draft: Draft) -> tuple[NativeCall, ...]:
    """Calls that a server parsed."""
    return tuple(NativeCall(**call) for call in draft["native_calls"])


def _request(
    episode: Episode, messages: Sequence[AnyMessage], **continuation: Any
) -> PolicyRequest:
    if episode.policy_error is not None:
        raise episode.policy_error
    context = episode.context
    return PolicyRequest(
        messages=list(messages),
        load_frame=episode.load_frame,
        conversation_id=episode.trajectory_id,
        temperature=context.temperature,
        seed=context.seed,
        max_new_tokens=_new_tokens(episode, messages),
        fixed_length=not episode.wiring.dialect.repairs,
        tools=episode.tool_schemas(),
        **continuation,
    )


def _new_tokens(episode: Episode, messages: Sequence[AnyMessage]) -> int:
    limit = episode.policy.context_tokens
    wanted = episode.context.max_new_tokens
    fixed = episode.policy.counts_tokens or not episode.wiring.dialect.repairs
    if limit is None or fixed:
        return wanted
    return max(_MIN_NEW_TOKENS, min(wanted, limit - estimate_tokens(messages, episode.policy.grid)))


def _draft(
    completion: Completion, *, lead: str, before: Draft | None, complete: bool, close: str = ""
) -> Draft:
    sampled = encodable(completion.text)
    if completion.finish_reason == "length":
        close = ""
    spans = list(before["spans"]) if before else []
    for text, was_sampled in ((lead, False), (sampled, True), (close, False)):
        if text:
            spans.append({"text": text, "sampled": was_sampled})
    return Draft(
        text="".join(span["text"] for span in spans),
        spans=spans,
        native_calls=[
            {name: encodable(value) for name, value in asdict(call).items()}
            for call in completion.tool_calls
        ],
        finish_reason=completion.finish_reason,
        policy_calls=1 + (before["policy_calls"] if before else 0),
        complete=complete,
        prompt_tokens=completion.prompt_tokens,
        completion_tokens=_added(
            before and before["completion_tokens"], completion.completion_tokens
        ),
        cached_tokens=completion.cached_tokens,
        requests=completion.requests + (before["requests"] if before else 0),
        seconds=completion.seconds + (before["seconds"] if before else 0.0),
        images_in=completion.images_in,
    )


def _added(first: int | None, second: int | None) -> int | None:
    return second if first is None else first + (second or 0)


def _tokens(completion: Completion) -> dict[str, Any] | None:
    if completion.prompt_token_ids is None or completion.token_ids is None:
        return None
    grids = completion.image_grids
    return {
        "prompt_token_ids": list(completion.prompt_token_ids),
        "token_ids": list(completion.token_ids),
        "logprobs": None if completion.logprobs is None else list(completion.logprobs),
        "logprobs_kind": completion.logprobs_kind,
        "image_grids": None if grids is None else [list(grid) for grid in grids],
    }


def _written(
    episode: Episode,
    request: PolicyRequest,
    messages: Sequence[AnyMessage],
    turn: int,
    draft: Draft,
    completion: Completion,
    *,
    tokens: dict[str, Any] | None = None,
) -> Written:
    message = _journalled(
        episode, turn, draft, max_new_tokens=request.max_new_tokens, tokens=tokens
    )
    known, new = completion.prompt_tokens, completion.completion_tokens
    if known is None or new is None:
        total = estimate_tokens([*messages, message], episode.policy.grid)
    else:
        total = known + new
    return Written(message=message, draft=draft, context_tokens=total)


def _journalled(
    episode: Episode,
    turn: int,
    draft: Draft,
    *,
    max_new_tokens: int | None,
    tokens: dict[str, Any] | None,
) -> AnyMessage:
    """The draft's message, written down."""
    identity = episode.message_id(turn, "assistant")
    message = episode.wiring.dialect.assistant(draft["text"], native_calls(draft), identity)
    outcome = read_draft(episode, draft, turn)
    parts = episode.wiring.dialect.parts(draft["text"])
    data = cast("dict[str, Any]", {**draft})
    for name in ("complete", "native_calls"):
        data.pop(name)
    episode.journal(
        turn,
        "message",
        {
            **data,
            "message": message_to_json(message),
            "outcome": OUTCOME_NAMES[type(outcome)],
            "error": outcome.error if isinstance(outcome, Malformed) else None,
            "summary": parts.summary,
            "reflection": parts.reflection,
            "unmarked": parts.unmarked,
            "max_new_tokens": max_new_tokens,
            "tokens": tokens,
        },
    )
    return message
