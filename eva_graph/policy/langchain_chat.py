"""Any LangChain chat model as a policy.

Frames become standard image blocks inside tool messages; a model that answers 400 or 422 to that
gets them in a user message, as the OpenAI policy does. Temperature, length, seed, deadline and
retries are the chat model's own settings: whoever made it has set them, and nothing here overrides
or multiplies them. So give it a timeout (`ChatOpenAI` has none by default).
"""

from __future__ import annotations

import asyncio
import base64
import json
import time
from collections.abc import Callable, Sequence
from typing import Any

import openai
from langchain_core.exceptions import ContextOverflowError
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, AnyMessage, BaseMessage

from eva_graph.blocks import Block, blocks_of, frame_of
from eva_graph.errors import (
    ContextOverflow,
    ContinuationUnsupported,
    PolicyError,
    PolicyProtocolError,
    PolicyRejected,
    PolicyUnavailable,
)
from eva_graph.policy.delivery import Delivery, arrange, next_delivery
from eva_graph.policy.protocol import (
    Completion,
    FinishReason,
    NativeCall,
    PolicyInfo,
    PolicyRequest,
)
from eva_graph.policy.refusals import is_overflow, one_line
from eva_graph_tools import FrameRef, VisualGrid

_BAD_REQUEST = {400, 422}
_RETRYABLE = {408, 409, 429}
_CUT_OFF = {"length", "max_tokens", "MAX_TOKENS"}


class ChatModelPolicy:
    """A LangChain chat model.

    Args:
        chat_model: any `BaseChatModel`. A copy is used with streaming switched off, so that
            watching a graph does not change what is asked, and without callbacks of its own,
            which would be handed pixels: those of the graph's run hear of every call.
        grid: patches of the model's image processor.
        context_tokens: prompt plus completion; None takes it from the model's profile, if it has
            one.
        images: message that carries the frames at first (see `eva_graph.policy.delivery`).
    """

    def __init__(
        self,
        chat_model: BaseChatModel,
        *,
        grid: VisualGrid | None = None,
        context_tokens: int | None = None,
        images: Delivery = "tool",
    ) -> None:
        self._chat_model = _without_streaming(chat_model)
        self._delivery: Delivery = images
        profile = chat_model.profile or {}
        self.info = PolicyInfo(
            name=_name(chat_model),
            backend="langchain",
            grid=grid or VisualGrid(),
            context_tokens=context_tokens or profile.get("max_input_tokens"),
        )

    def generate(self, request: PolicyRequest) -> Completion:
        """Write the next assistant text; see the protocol. Raises `PolicyError`."""
        started, runnable, delivery = time.perf_counter(), self._runnable(request), self._delivery
        for requests in range(1, 4):
            messages = _with_pixels(arrange(request.messages, delivery), request.load_frame)
            try:
                reply = runnable.invoke(messages, stop=list(request.stop) or None)
            except Exception as error:
                delivery = self._next(request, delivery, error, requests)
            else:
                return self._completion(reply, delivery, requests, started)
        raise AssertionError("there are three deliveries")

    async def agenerate(self, request: PolicyRequest) -> Completion:
        """Like `generate`, without blocking the event loop."""
        started, runnable, delivery = time.perf_counter(), self._runnable(request), self._delivery
        for requests in range(1, 4):
            arranged = arrange(request.messages, delivery)
            messages = await asyncio.to_thread(_with_pixels, arranged, request.load_frame)
            try:
                reply = await runnable.ainvoke(messages, stop=list(request.stop) or None)
            except Exception as error:
                delivery = self._next(request, delivery, error, requests)
            else:
                return self._completion(reply, delivery, requests, started)
        raise AssertionError("there are three deliveries")

    def _runnable(self, request: PolicyRequest) -> Any:
        if request.continue_final or request.guided_regex is not None:
            raise ContinuationUnsupported("a LangChain chat model cannot continue a message")
        if not request.tools:
            return self._chat_model
        try:
            return self._chat_model.bind_tools([dict(tool) for tool in request.tools])
        except NotImplementedError as error:
            raise PolicyRejected(
                f"{self.info.name} has no bind_tools: use the eva dialect"
            ) from error

    def _next(
        self, request: PolicyRequest, delivery: Delivery, error: Exception, requests: int
    ) -> Delivery:
        """The delivery to try after an error; raises the `PolicyError` if there is none."""
        translated = _translate(error, self.info.name, requests)
        if getattr(error, "status_code", None) in _BAD_REQUEST:
            following = next_delivery(request.messages, delivery)
            if following is not None and not isinstance(translated, ContextOverflow):
                return following
        raise translated from error

    def _completion(
        self, reply: Any, delivery: Delivery, requests: int, started: float
    ) -> Completion:
        self._delivery = delivery
        if not isinstance(reply, AIMessage):
            raise PolicyProtocolError(
                f"{self.info.name} returned no assistant message", requests=requests
            )
        usage = reply.usage_metadata
        calls = _calls(reply)
        return Completion(
            text=str(reply.text),
            finish_reason=_finish_reason(reply, calls),
            tool_calls=calls,
            prompt_tokens=usage["input_tokens"] if usage else None,
            completion_tokens=usage["output_tokens"] if usage else None,
            cached_tokens=usage.get("input_token_details", {}).get("cache_read") if usage else None,
            images_in=delivery,
            requests=requests,
            seconds=time.perf_counter() - started,
        )


def _without_streaming(chat_model: BaseChatModel) -> BaseChatModel:
    update: dict[str, Any] = {"disable_streaming": True, "callbacks": None}
    if "streaming" in type(chat_model).model_fields:  # sent along by ChatOpenAI and its kin
        update["streaming"] = False
    return chat_model.model_copy(update=update)


def _name(chat_model: BaseChatModel) -> str:
    named = getattr(chat_model, "model_name", None) or getattr(chat_model, "model", None)
    return str(named or type(chat_model).__name__)


def _with_pixels(
    messages: Sequence[AnyMessage], load_frame: Callable[[FrameRef], bytes]
) -> list[BaseMessage]:
    return [
        message
        if isinstance(message.content, str)
        else message.model_copy(
            update={"content": [_pixels(block, load_frame) for block in blocks_of(message)]}
        )
        for message in messages
    ]


def _pixels(block: Block, load_frame: Callable[[FrameRef], bytes]) -> Block:
    frame = frame_of(block)
    if frame is None:
        return block
    encoded = base64.b64encode(load_frame(frame)).decode("ascii")
    return {"type": "image", "base64": encoded, "mime_type": frame.media_type}


def _calls(reply: AIMessage) -> tuple[NativeCall, ...]:
    parsed = [(call["id"], call["name"], json.dumps(call["args"])) for call in reply.tool_calls]
    unparsed = [(call["id"], call["name"], call["args"]) for call in reply.invalid_tool_calls]
    return tuple(
        NativeCall(id=call_id or f"call-{index}", name=name or "", arguments=arguments or "")
        for index, (call_id, name, arguments) in enumerate([*parsed, *unparsed])
    )


def _finish_reason(reply: AIMessage, calls: Sequence[NativeCall]) -> FinishReason:
    metadata = reply.response_metadata
    if (metadata.get("finish_reason") or metadata.get("stop_reason")) in _CUT_OFF:
        return "length"
    return "tool_calls" if calls else "stop"


def _translate(error: Exception, name: str, requests: int) -> PolicyError:
    """Our error for a provider's own; `status_code` is what most SDKs call the HTTP status."""
    text = one_line(f"{name} failed: {type(error).__name__}: {error}")
    status = getattr(error, "status_code", None)
    if isinstance(error, ContextOverflowError) or (status in _BAD_REQUEST and is_overflow(text)):
        return ContextOverflow(text, requests=requests)
    if isinstance(error, (openai.APIConnectionError, ConnectionError, TimeoutError)):
        return PolicyUnavailable(text, requests=requests)
    if not isinstance(status, int):
        return PolicyError(text, requests=requests)
    if status >= 500 or status in _RETRYABLE:
        return PolicyUnavailable(text, requests=requests)
    return PolicyRejected(text, requests=requests)
