"""Reading what an OpenAI-compatible server answered; the rest is a `PolicyProtocolError`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from eva_graph.errors import InvalidRequest, PolicyProtocolError
from eva_graph.policy.protocol import Completion, FinishReason, NativeCall

Json = dict[str, Any]
LogprobsKind = Literal["raw", "processed"]

_FINISH_REASONS: dict[Any, FinishReason] = {
    "stop": "stop",
    "length": "length",
    "tool_calls": "tool_calls",
    "function_call": "tool_calls",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class ServedModel:
    """One entry of `/v1/models`."""

    name: str
    context_tokens: int | None = None
    is_vllm: bool = False
    root: str | None = None
    """What it was loaded from, as vLLM tells: a folder or a hub name."""


def read_models(reply: Json, wanted: str | None) -> ServedModel:
    """The wanted model among those served, or the only one when none is named.

    Raises:
        InvalidRequest: none is named and the server offers several.
        PolicyProtocolError: no list of models, or an empty one and none is named.
    """
    entries = reply.get("data")
    if not isinstance(entries, list):
        raise PolicyProtocolError("the server's /models is no list of models: name one with model=")
    served = [_served(entry) for entry in entries if isinstance(entry, dict) and "id" in entry]
    if wanted is not None:
        same = [model for model in served if model.name == wanted]
        return same[0] if same else ServedModel(name=wanted)
    if not served:
        raise PolicyProtocolError("the server lists no model: name one with model=")
    if len(served) > 1:
        names = ", ".join(model.name for model in served)
        raise InvalidRequest(f"the server offers several models, choose with model=: {names}")
    return served[0]


def _served(entry: Json) -> ServedModel:
    context, root = entry.get("max_model_len"), entry.get("root")
    return ServedModel(
        name=str(entry["id"]),
        context_tokens=_count(context) or None,
        is_vllm=entry.get("owned_by") == "vllm",
        root=root if isinstance(root, str) else None,
    )


def read_completion(reply: Json, logprobs_kind: LogprobsKind | None) -> Completion:
    """The first choice of a chat completion.

    Token ids and log-probabilities are kept where the server gave them; log-probabilities only
    where there is one for every sampled token, a finite number.

    Raises:
        PolicyProtocolError: no choices, no message, no text and no calls, an unknown finish reason.
    """
    choice = _first_choice(reply)
    message = choice.get("message")
    if not isinstance(message, dict):
        raise PolicyProtocolError("the server's answer holds no message")
    calls = _calls(message.get("tool_calls"))
    text = message.get("content")
    if not isinstance(text, str) and not (text is None and calls):
        raise PolicyProtocolError("the server's answer holds neither text nor tool calls")
    usage = reply.get("usage")
    usage = usage if isinstance(usage, dict) else {}
    token_ids = _token_ids(choice.get("token_ids"))
    logprobs = _logprobs(choice.get("logprobs"))
    if token_ids is not None and logprobs is not None and len(token_ids) != len(logprobs):
        logprobs = None
    return Completion(
        text=text or "",
        finish_reason=_finish_reason(choice.get("finish_reason")),
        tool_calls=calls,
        prompt_tokens=_count(usage.get("prompt_tokens")),
        completion_tokens=_count(usage.get("completion_tokens")),
        cached_tokens=_cached(usage.get("prompt_tokens_details")),
        prompt_token_ids=_token_ids(reply.get("prompt_token_ids")),
        token_ids=token_ids,
        logprobs=logprobs,
        logprobs_kind=logprobs_kind if logprobs is not None else None,
    )


def _first_choice(reply: Json) -> Json:
    match reply.get("choices"):
        case [dict() as choice, *_]:
            return choice
    raise PolicyProtocolError("the server's answer holds no choices")


def _finish_reason(value: Any) -> FinishReason:
    try:
        return _FINISH_REASONS[value]
    except (KeyError, TypeError):
        raise PolicyProtocolError(f"the server ended the answer for {value!r:.80}") from None


def _calls(value: Any) -> tuple[NativeCall, ...]:
    match value:
        case None:
            return ()
        case list():
            return tuple(_call(item) for item in value)
    raise PolicyProtocolError("the server's answer holds tool_calls that are no list")


def _call(item: Any) -> NativeCall:
    match item:
        case {"id": str() as call_id, "function": {"name": str() as name, "arguments": arguments}}:
            if isinstance(arguments, str):
                return NativeCall(id=call_id, name=name, arguments=arguments)
    raise PolicyProtocolError("the server's answer holds a malformed tool call")


def _token_ids(value: Any) -> tuple[int, ...] | None:
    if not isinstance(value, list) or not all(type(token) is int for token in value):
        return None
    return tuple(value)


def _logprobs(value: Any) -> tuple[float, ...] | None:
    entries = value.get("content") if isinstance(value, dict) else None
    if not isinstance(entries, list):
        return None
    found = [entry.get("logprob") if isinstance(entry, dict) else None for entry in entries]
    numbers = [float(one) for one in found if isinstance(one, (int, float)) and abs(one) < 1e9]
    return tuple(numbers) if len(numbers) == len(entries) else None


def _cached(details: Any) -> int | None:
    return _count(details.get("cached_tokens")) if isinstance(details, dict) else None


def _count(value: Any) -> int | None:
    return value if type(value) is int and value >= 0 else None
