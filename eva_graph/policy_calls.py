"""The one place where a policy is called: callbacks and tracers hear of it, and never see a pixel.

Every call is a chat-model run of LangChain's callbacks, whatever the policy is: LangSmith,
OpenTelemetry exporters and token counters get the transcript with frame references, the text and
the token counts. What happens inside the call, where references have become pixels, is told to
nobody: chat models and instrumented HTTP clients would copy their arguments into the trace.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from contextvars import ContextVar
from typing import Any, TypeVar

from langchain_core.messages import AIMessage
from langchain_core.messages.ai import InputTokenDetails, UsageMetadata
from langchain_core.outputs import ChatGeneration, LLMResult
from langchain_core.runnables import RunnableConfig
from langchain_core.runnables.config import (
    get_async_callback_manager_for_config,
    get_callback_manager_for_config,
    var_child_runnable_config,
)
from langchain_core.tracers.context import tracing_v2_callback_var
from langgraph.constants import TAG_NOSTREAM
from langsmith.run_helpers import tracing_context

from eva_graph.blocks import frames_of
from eva_graph.policy.protocol import Completion, Policy, PolicyRequest

T = TypeVar("T")


class PolicyCalls:
    """Makes the policy calls of one node; the callbacks are those of the node's run."""

    def __init__(self, config: RunnableConfig) -> None:
        self._config = config

    def generate(self, policy: Policy, request: PolicyRequest) -> Completion:
        """`policy.generate`. Raises `PolicyError`."""
        config, call = self._told(policy, request)
        (run,) = get_callback_manager_for_config(config).on_chat_model_start(**call)
        try:
            with _untraced():
                completion = policy.generate(request)
        except BaseException as error:
            run.on_llm_error(error)
            raise
        run.on_llm_end(_result(completion, call["invocation_params"]["model"]))
        return completion

    async def agenerate(self, policy: Policy, request: PolicyRequest) -> Completion:
        """`policy.agenerate`. Raises `PolicyError`."""
        config, call = await asyncio.to_thread(self._told, policy, request)
        (run,) = await get_async_callback_manager_for_config(config).on_chat_model_start(**call)
        try:
            with _untraced():
                completion = await policy.agenerate(request)
        except BaseException as error:
            await run.on_llm_error(error)
            raise
        await run.on_llm_end(_result(completion, call["invocation_params"]["model"]))
        return completion

    def _told(
        self, policy: Policy, request: PolicyRequest
    ) -> tuple[RunnableConfig, dict[str, Any]]:
        """The call's own config, and what callbacks are told of it."""
        info = policy.info  # may ask a server
        metadata = {
            **self._config.get("metadata", {}),
            "ls_provider": info.backend,
            "ls_model_name": info.name,
            "ls_model_type": "chat",
            "ls_temperature": request.temperature,
            "ls_max_tokens": request.max_new_tokens,
            "trajectory_id": request.conversation_id,
            "frames": sum(1 for _ in frames_of(request.messages)),
        }
        # The nodes write the messages; a stream of messages must not carry each of them twice.
        tags = [*self._config.get("tags", ()), TAG_NOSTREAM]
        call = {
            "serialized": {"name": "policy"},
            "messages": [list(request.messages)],
            "name": "policy",
            "invocation_params": {
                "model": info.name,
                "_type": info.backend,
                "temperature": request.temperature,
                "max_tokens": request.max_new_tokens,
            },
        }
        return {**self._config, "metadata": metadata, "tags": tags}, call


def _result(completion: Completion, model: str) -> LLMResult:
    calls = [
        {
            "id": call.id,
            "type": "function",
            "function": {"name": call.name, "arguments": call.arguments},
        }
        for call in completion.tool_calls
    ]
    message = AIMessage(
        content=completion.text,
        additional_kwargs={"tool_calls": calls} if calls else {},
        usage_metadata=_usage(completion),
        response_metadata={
            "finish_reason": completion.finish_reason,
            "model_name": model,
        },
    )
    return LLMResult(generations=[[ChatGeneration(message=message)]])


def _usage(completion: Completion) -> UsageMetadata | None:
    asked, written = completion.prompt_tokens, completion.completion_tokens
    if asked is None or written is None:
        return None
    usage = UsageMetadata(input_tokens=asked, output_tokens=written, total_tokens=asked + written)
    if completion.cached_tokens is not None:
        usage["input_token_details"] = InputTokenDetails(cache_read=completion.cached_tokens)
    return usage


@contextmanager
def _untraced() -> Iterator[None]:
    """Nothing that runs inside is told to LangChain's callbacks, LangSmith or OpenTelemetry."""
    config = var_child_runnable_config.get() or {}
    with ExitStack() as stack:
        silent: RunnableConfig = {**config, "callbacks": None}
        stack.enter_context(_holding(var_child_runnable_config, silent))
        stack.enter_context(_holding(tracing_v2_callback_var, None))
        stack.enter_context(tracing_context(enabled=False))
        stack.enter_context(_without_instrumentation())
        yield


@contextmanager
def _holding(variable: ContextVar[T], value: T) -> Iterator[None]:
    token = variable.set(value)
    try:
        yield
    finally:
        variable.reset(token)


@contextmanager
def _without_instrumentation() -> Iterator[None]:
    """What OpenTelemetry's instrumentations of HTTP and model clients obey, where it is there."""
    try:
        from opentelemetry import context
    except ModuleNotFoundError:
        yield
        return
    token = context.attach(context.set_value(context._SUPPRESS_INSTRUMENTATION_KEY, True))
    try:
        yield
    finally:
        context.detach(token)
