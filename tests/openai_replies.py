"""What the scripted server of `openai_server` is, what it takes, and its answers as completions.

Token ids are the UTF-8 bytes of the transcript; nothing here is a model.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

Json = dict[str, Any]
END_OF_TURN = "</assistant>"


@dataclass(frozen=True, kw_only=True)
class Reply:
    """One scripted answer; `calls` are (name, arguments as JSON text)."""

    text: str | None = None
    calls: Sequence[tuple[str, str]] = ()
    finish_reason: str = "stop"


@dataclass(frozen=True, kw_only=True)
class Traits:
    """What the server is and takes."""

    model: str = "scripted-vl"
    owned_by: str = "vllm"
    root: Any = None
    """What `/v1/models` says the model was loaded from."""
    context_tokens: int | None = 32_768
    tool_images: bool = True
    """Images in tool messages; False answers 400 to them."""
    bare_tool_messages: bool = True
    """Tool messages without a tool call before them; False answers 400 to them."""
    tools: bool = True
    """The field `tools`; False answers 400 to it."""
    continuation: bool = True
    """`continue_final_message` and `structured_outputs`; False answers 400 to them."""
    token_ids: bool = True
    """Gives token ids and log-probabilities when asked; False ignores the wish."""
    ignored_fields: frozenset[str] = field(default_factory=frozenset)
    """Fields of the body that are accepted without effect."""
    render_image: Callable[[str, bytes], str] = lambda role, content: "<image>"
    """What the prompt holds for an image in a message of a role."""
    counts_tokens: bool = True
    """Gives `usage`."""
    counts_cached: bool = False
    """Tells in `usage` how much of a prompt is the beginning of an earlier one."""
    keeps_media: bool = False
    """Knows an image by its `uuid` once it has come with one."""
    processed_logprobs: bool = False
    """Log-probabilities after `top_p`, which leaves one token; else raw ones."""
    distort: Callable[[Json], Any] = lambda answer: answer
    """What becomes of every completion on the way."""
    refused_fields: frozenset[str] = field(default_factory=frozenset)
    """Further fields, of the body or of a content part, that are answered with 400."""


def completion(traits: Traits, body: Json, reply: Reply, prompts: list[str]) -> Json:
    """What the server answers; its prompt is added to the earlier `prompts`."""
    text = rendered(body, traits)
    prompt = list(text.encode())
    sampled = list((reply.text or "").encode())
    if reply.finish_reason != "length":
        sampled += END_OF_TURN.encode()
    message: Json = {"role": "assistant", "content": reply.text}
    if reply.calls:
        message["tool_calls"] = [
            {"id": f"call-{len(body['messages'])}-{i}", "type": "function",
             "function": {"name": name, "arguments": arguments}}
            for i, (name, arguments) in enumerate(reply.calls)
        ]  # fmt: skip
    choice: Json = {"index": 0, "message": message, "finish_reason": reply.finish_reason}
    answer: Json = {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "created": 0,
        "model": traits.model,
        "choices": [choice],
    }
    if traits.counts_tokens:
        answer["usage"] = usage = {
            "prompt_tokens": len(prompt),
            "completion_tokens": len(sampled),
            "total_tokens": len(prompt) + len(sampled),
        }
        if traits.counts_cached:
            usage["prompt_tokens_details"] = {"cached_tokens": _cached_tokens(text, prompts)}
    prompts.append(text)
    if traits.token_ids and body.get("return_token_ids"):
        answer["prompt_token_ids"] = prompt
        choice["token_ids"] = sampled
    if traits.token_ids and body.get("logprobs"):
        sure = traits.processed_logprobs and body["temperature"] > 0 and "top_p" in body
        logprob = 0.0 if sure else -0.25
        choice["logprobs"] = {"content": [_logprob(token, logprob) for token in sampled]}
    return answer


def _cached_tokens(text: str, prompts: list[str]) -> int:
    """How much of a prompt is the beginning of an earlier one."""
    content = text.encode()
    return max((_common(content, earlier.encode()) for earlier in prompts), default=0)


def _common(one: bytes, other: bytes) -> int:
    pairs = zip(one, other, strict=False)
    return next((n for n, (a, b) in enumerate(pairs) if a != b), min(len(one), len(other)))


def _logprob(token: int, logprob: float) -> Json:
    return {"token": chr(token), "logprob": logprob, "bytes": [token], "top_logprobs": []}


def rendered(body: Json, traits: Traits | None = None) -> str:
    """The prompt of a request: its UTF-8 bytes are the token ids."""
    return "".join(_rendered(body, traits or Traits()))


def _rendered(body: Json, traits: Traits) -> Iterator[str]:
    if body.get("tools"):
        yield f"<tools>{json.dumps(body['tools'])}</tools>"
    for message in body["messages"]:
        content = message["content"] or ""
        parts = content if isinstance(content, list) else [{"type": "text", "text": content}]
        text = "".join(_part(traits, message["role"], part) for part in parts)
        open_ended = message is body["messages"][-1] and body.get("continue_final_message")
        yield f"<{message['role']}>{text}" + ("" if open_ended else f"</{message['role']}>")
    if not body.get("continue_final_message"):
        yield "<assistant>"


def _part(traits: Traits, role: str, part: Json) -> str:
    if part["type"] == "text":
        return str(part["text"])
    content = base64.b64decode(part["image_url"]["url"].partition("base64,")[2])
    return traits.render_image(role, content)
