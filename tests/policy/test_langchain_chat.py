"""ChatModelPolicy over ChatOpenAI against real HTTP servers, and over LangChain's own fakes."""

from __future__ import annotations

import asyncio

import pytest
from langchain_core.language_models import GenericFakeChatModel
from langchain_core.messages import AIMessage
from langchain_openai import ChatOpenAI
from langgraph.graph import END, START, MessagesState, StateGraph
from openai_server import Fault, OpenAIServer, Reply, Traits, images_of, unused_address

from eva_graph.errors import (
    ContextOverflow,
    ContinuationUnsupported,
    PolicyError,
    PolicyRejected,
    PolicyUnavailable,
)
from eva_graph.policy.langchain_chat import ChatModelPolicy
from eva_graph.policy.protocol import NativeCall, Policy

FRAME_SELECT = {
    "type": "function",
    "function": {"name": "frame_select", "description": "look", "parameters": {"type": "object"}},
}


def chat(server: OpenAIServer | str, **options) -> ChatModelPolicy:
    address = server if isinstance(server, str) else server.base_url
    options = {"timeout": 5, "max_retries": 0} | options
    return ChatModelPolicy(ChatOpenAI(model="m", api_key="k", base_url=address, **options))


def test_info():
    policy = chat("http://127.0.0.1:1/v1")
    assert isinstance(policy, Policy)
    assert (policy.info.name, policy.info.backend) == ("m", "langchain")
    assert not policy.info.supports_continuation


def test_images_arrive_in_the_tool_message(ask, after_look, stored):
    with OpenAIServer(["", "blue"]) as server:
        completion = chat(server).generate(ask(after_look))
        assert images_of(server.requests[0]) == [("tool", one) for one in stored.bytes.values()]
    assert (completion.text, completion.finish_reason) == ("blue", "stop")
    assert (completion.images_in, completion.requests) == ("tool", 1)
    assert completion.prompt_tokens > 0
    assert completion.completion_tokens > 0


@pytest.mark.parametrize(
    ("traits", "requests", "images_in"),
    [(Traits(tool_images=False), 2, "user"), (Traits(bare_tool_messages=False), 3, "user_only")],
)
def test_refused_images_go_in_a_user_message(ask, after_look, stored, traits, requests, images_in):
    with OpenAIServer(["", "blue"], traits=traits) as server:
        policy = chat(server)
        completion = policy.generate(ask(after_look))
        assert (completion.images_in, completion.requests) == (images_in, requests)
        assert policy.generate(ask(after_look)).requests == 1
        assert images_of(server.requests[-1]) == [("user", one) for one in stored.bytes.values()]


async def test_async_is_alike(ask, after_look):
    with OpenAIServer(["", "blue"], traits=Traits(tool_images=False)) as server:
        policy = chat(server)
        completions = await asyncio.gather(*(policy.agenerate(ask(after_look)) for _ in range(8)))
    assert {completion.text for completion in completions} == {"blue"}
    assert {completion.images_in for completion in completions} == {"user"}


def test_native_calls_valid_or_not(ask, opening):
    calls = [("frame_select", '{"start_time": 0}'), ("frame_select", '{"start_time')]
    with OpenAIServer([Reply(calls=calls, finish_reason="tool_calls")]) as server:
        completion = chat(server).generate(ask(opening, tools=[FRAME_SELECT]))
        assert server.requests[0]["tools"][0]["function"]["name"] == "frame_select"
    assert completion.finish_reason == "tool_calls"
    assert [(call.name, call.arguments) for call in completion.tool_calls] == calls
    assert all(isinstance(call, NativeCall) and call.id for call in completion.tool_calls)


def test_finish_reason_length(ask, opening):
    with OpenAIServer([Reply(text="Summ", finish_reason="length")]) as server:
        assert chat(server).generate(ask(opening)).finish_reason == "length"


def test_stop_strings_are_sent(ask, opening):
    with OpenAIServer(["one|two"]) as server:
        assert chat(server).generate(ask(opening, stop=("|",))).text == "one"


def test_watching_the_graph_does_not_change_the_request(ask, opening):
    with OpenAIServer(["fine"]) as server:  # it refuses to stream
        policy = chat(server, streaming=True)

        def node(state: MessagesState) -> dict[str, list[AIMessage]]:
            return {"messages": [AIMessage(policy.generate(ask(opening)).text)]}

        graph = StateGraph(MessagesState).add_node("node", node)
        graph.add_edge(START, "node").add_edge("node", END)
        list(graph.compile().stream({"messages": []}, stream_mode="messages"))
        assert not server.requests[0].get("stream")


@pytest.mark.parametrize(
    ("fault", "error"),
    [
        (Fault.HANG, PolicyUnavailable),
        (Fault.CUT, PolicyUnavailable),
        (Fault.ERROR_500, PolicyUnavailable),
        (Fault.BUSY_429, PolicyUnavailable),
        (Fault.OVERFLOW, ContextOverflow),
        (Fault.HTML, PolicyError),
        (Fault.INVALID_JSON, PolicyError),
        (Fault.INVALID_UTF8, PolicyError),
        (Fault.EMPTY_CHOICES, PolicyError),
    ],
)
def test_failures_are_typed_and_cost_one_request(ask, after_look, fault, error):
    with OpenAIServer(faults=fault) as server:
        with pytest.raises(error) as caught:
            chat(server, timeout=0.3).generate(ask(after_look))
        assert caught.value.requests == len(server.requests) == 1
    assert "\n" not in str(caught.value)


def test_nobody_listening(ask, opening):
    with pytest.raises(PolicyUnavailable):
        chat(unused_address()).generate(ask(opening))


def test_a_refusal_of_tools_is_no_matter_of_images(ask, opening):
    with OpenAIServer(traits=Traits(tools=False)) as server:
        with pytest.raises(PolicyRejected, match="tool-choice"):
            chat(server).generate(ask(opening, tools=[FRAME_SELECT]))
        assert len(server.requests) == 1


def test_a_model_without_bind_tools_works_without_tools(ask, opening):
    model = GenericFakeChatModel(messages=iter([AIMessage("hello"), AIMessage("again")]))
    policy = ChatModelPolicy(model)
    assert policy.info.name == "GenericFakeChatModel"
    assert policy.generate(ask(opening)).text == "hello"
    with pytest.raises(PolicyRejected, match="bind_tools"):
        policy.generate(ask(opening, tools=[FRAME_SELECT]))
    assert asyncio.run(policy.agenerate(ask(opening))).text == "again"


def test_an_unknown_exception_is_a_policy_error(ask, opening):
    policy = ChatModelPolicy(GenericFakeChatModel(messages=iter([])))
    with pytest.raises(PolicyError, match="GenericFakeChatModel failed"):
        policy.generate(ask(opening))


def test_messages_are_not_continued(ask, opening):
    policy = ChatModelPolicy(GenericFakeChatModel(messages=iter([])))
    with pytest.raises(ContinuationUnsupported):
        policy.generate(ask([*opening, AIMessage("S")], continue_final=True))
