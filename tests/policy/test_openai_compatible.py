"""OpenAIPolicy against real HTTP servers, well-behaved and not."""

from __future__ import annotations

import asyncio

import pytest
from langchain_core.messages import AIMessage, HumanMessage
from openai_server import (
    END_OF_TURN,
    Fault,
    OpenAIServer,
    Reply,
    Traits,
    images_of,
    unused_address,
)

from eva_graph.errors import (
    ContextOverflow,
    ContinuationUnsupported,
    InvalidRequest,
    PolicyProtocolError,
    PolicyRejected,
    PolicyUnavailable,
)
from eva_graph.policy.openai_compatible import OpenAIPolicy
from eva_graph.policy.protocol import NativeCall, Policy
from eva_graph_tools import VisualGrid

FRAME_SELECT = {"type": "function", "function": {"name": "frame_select", "parameters": {}}}


def quick(server: OpenAIServer | str, **options) -> OpenAIPolicy:
    address = server if isinstance(server, str) else server.base_url
    return OpenAIPolicy(address, backoff_seconds=0.0, **options)


def test_info_comes_from_the_server():
    with OpenAIServer(traits=Traits(model="eva", context_tokens=4096)) as server:
        grid = VisualGrid(max_pixels=28 * 28 * 64)
        policy = quick(server, grid=grid)
        assert isinstance(policy, Policy)
        info = policy.info
        assert (info.name, info.backend, info.context_tokens) == ("eva", "openai", 4096)
        assert info.grid is grid
        assert info.supports_continuation
        assert policy.info == info
        assert server.paths == ["/v1/models"]


def test_continuation_is_believed_of_vllm_only_unless_told():
    with OpenAIServer(traits=Traits(owned_by="someone")) as server:
        assert not quick(server).info.supports_continuation
        assert quick(server, continuation=True).info.supports_continuation


def test_a_completion_keeps_what_the_server_offers(ask, after_look):
    with OpenAIServer(["", "<answer>blue</answer>"]) as server:
        completion = quick(server).generate(ask(after_look, temperature=0.5, seed=7))
        body = server.requests[0]
    assert completion.text == "<answer>blue</answer>"
    assert completion.finish_reason == "stop"
    assert bytes(completion.token_ids).decode() == completion.text + END_OF_TURN
    assert len(completion.logprobs) == len(completion.token_ids)
    assert completion.logprobs_kind == "raw"
    assert completion.prompt_tokens == len(completion.prompt_token_ids)
    assert completion.completion_tokens == len(completion.token_ids)
    assert (completion.requests, completion.images_in) == (1, "tool")
    assert (body["temperature"], body["seed"], body["max_tokens"]) == (0.5, 7, 64)
    assert "tools" not in body
    assert "stop" not in body


def test_a_server_without_token_ids_is_fine(ask, opening):
    with OpenAIServer(["hello"], traits=Traits(token_ids=False)) as server:
        completion = quick(server).generate(ask(opening))
    assert (completion.token_ids, completion.prompt_token_ids) == (None, None)
    assert (completion.logprobs, completion.logprobs_kind) == (None, None)


def test_refused_fields_are_left_out_from_then_on(ask, after_look):
    fields = frozenset({"return_token_ids", "logprobs", "uuid"})
    with OpenAIServer(["", "x"], traits=Traits(refused_fields=fields)) as server:
        policy = quick(server)
        assert policy.generate(ask(after_look)).requests == 4
        assert policy.generate(ask(after_look)).requests == 1
        assert len(images_of(server.requests[-1])) == 2


def test_the_newer_name_of_the_length_field_is_learnt(ask, opening):
    class Renamed(OpenAIServer):
        def refusal(self, body):
            return "Use 'max_completion_tokens' instead." if "max_tokens" in body else None

    with Renamed(["x"]) as server:
        policy = quick(server)
        assert policy.generate(ask(opening)).requests == 2
        assert server.requests[-1]["max_completion_tokens"] == 64


def test_images_refused_in_tool_messages_go_in_a_user_message(ask, after_look, stored):
    with OpenAIServer(["", "blue"], traits=Traits(tool_images=False)) as server:
        policy = quick(server)
        first, second = policy.generate(ask(after_look)), policy.generate(ask(after_look))
        bodies = server.requests
    assert [first.requests, second.requests] == [2, 1]
    assert (first.images_in, second.images_in) == ("user", "user")
    expected = [("user", data) for data in stored.bytes.values()]
    assert images_of(bodies[1]) == images_of(bodies[2]) == expected


def test_refused_tool_messages_become_user_messages(ask, after_look, stored):
    with OpenAIServer(["", "blue"], traits=Traits(bare_tool_messages=False)) as server:
        policy = quick(server)
        completion = policy.generate(ask(after_look))
        assert (completion.requests, completion.images_in) == (3, "user_only")
        assert [role for role, _ in images_of(server.requests[-1])] == ["user", "user"]
        assert policy.generate(ask(after_look)).requests == 1


def test_native_calls_are_returned_raw(ask, opening):
    calls = [("frame_select", '{"start_time": 0'), ("seek", "{}")]
    with OpenAIServer([Reply(calls=calls, finish_reason="tool_calls")]) as server:
        completion = quick(server).generate(ask(opening, tools=[FRAME_SELECT]))
        assert server.requests[0]["tools"] == [FRAME_SELECT]
    assert completion.finish_reason == "tool_calls"
    assert completion.text == ""
    assert [(call.name, call.arguments) for call in completion.tool_calls] == calls
    assert isinstance(completion.tool_calls[0], NativeCall)


def test_a_server_without_tools_refuses_them(ask, opening):
    with OpenAIServer(traits=Traits(tools=False)) as server:
        with pytest.raises(PolicyRejected, match="enable-auto-tool-choice"):
            quick(server).generate(ask(opening, tools=[FRAME_SELECT]))
        assert len(server.requests) == 1


def test_a_message_is_continued_up_to_the_stop(ask, opening):
    with OpenAIServer(["Summary: nothing yet\nPlan: look\n<tool_call>{}</tool_call>"]) as server:
        policy = quick(server)
        begun = [*opening, AIMessage("Summary:")]
        summary = policy.generate(ask(begun, continue_final=True, stop=("\nPlan:",)))
        begun[-1] = AIMessage("Summary: nothing yet\nPlan: look\n")
        action = policy.generate(
            ask(begun, continue_final=True, guided_regex=r"<tool_call>\{\}</tool_call>")
        )
        first, second = server.requests
    assert (summary.text, action.text) == (" nothing yet", "<tool_call>{}</tool_call>")
    assert (first["continue_final_message"], first["add_generation_prompt"]) == (True, False)
    assert second["structured_outputs"] == {"regex": r"<tool_call>\{\}</tool_call>"}


def test_unsupported_continuation_costs_no_request_where_it_is_known(ask, opening):
    with OpenAIServer(traits=Traits(owned_by="someone")) as server:
        with pytest.raises(ContinuationUnsupported):
            quick(server).generate(ask([*opening, AIMessage("S")], continue_final=True))
        assert server.requests == []


def test_refused_continuation_is_told_apart(ask, opening):
    with OpenAIServer(traits=Traits(continuation=False)) as server:
        with pytest.raises(ContinuationUnsupported) as caught:
            quick(server).generate(ask([*opening, AIMessage("S")], continue_final=True))
        assert caught.value.requests == len(server.requests) == 1


def test_finish_reason_length(ask, opening):
    with OpenAIServer([Reply(text="Summary: and th", finish_reason="length")]) as server:
        assert quick(server).generate(ask(opening)).finish_reason == "length"


TRANSIENT = [Fault.HANG, Fault.CUT, Fault.ERROR_500, Fault.BUSY_429]


@pytest.mark.parametrize("fault", TRANSIENT)
def test_transient_failures_are_retried_and_then_typed(ask, opening, fault):
    with OpenAIServer(faults=fault) as server:
        policy = quick(server, max_retries=2, timeout_seconds=0.3)
        with pytest.raises(PolicyUnavailable) as caught:
            policy.generate(ask(opening))
        assert caught.value.requests == len(server.requests) == 3


@pytest.mark.parametrize("fault", TRANSIENT)
def test_a_retry_that_passes_is_counted(ask, opening, fault):
    with OpenAIServer(["fine"], faults=[fault, Fault.NONE]) as server:
        completion = quick(server, timeout_seconds=0.5).generate(ask(opening))
    assert (completion.text, completion.requests) == ("fine", 2)


@pytest.mark.parametrize(
    "fault",
    [
        Fault.HTML,
        Fault.INVALID_JSON,
        Fault.NESTED,
        Fault.INVALID_UTF8,
        Fault.EMPTY_CHOICES,
        Fault.NO_MESSAGE,
        Fault.NULL_CONTENT,
    ],
)
def test_nonsense_is_a_protocol_error_at_once(ask, opening, fault):
    with OpenAIServer(faults=fault) as server:
        with pytest.raises(PolicyProtocolError) as caught:
            quick(server).generate(ask(opening))
        assert caught.value.requests == len(server.requests) == 1


def test_overflow_is_tried_once_with_the_room_that_is_left(ask, after_look):
    with OpenAIServer(faults=Fault.OVERFLOW) as server:
        with pytest.raises(ContextOverflow) as caught:
            quick(server).generate(ask(after_look))
        assert caught.value.requests == len(server.requests) == 2
        assert ["max_tokens" in body for body in server.requests] == [True, False]


def test_a_prompt_that_fits_alone_is_answered(ask, opening):
    with OpenAIServer(["fine"], faults=[Fault.OVERFLOW, Fault.NONE]) as server:
        policy = quick(server)
        assert policy.generate(ask(opening)).text == "fine"
        assert policy.generate(ask(opening)).requests == 1
        assert server.requests[-1]["max_tokens"] == 64


def test_nobody_listening(ask, opening):
    with pytest.raises(PolicyUnavailable) as caught:
        quick(unused_address(), max_retries=2).generate(ask(opening))
    assert caught.value.requests == 3
    assert "\n" not in str(caught.value)


def test_the_deadline_ends_the_retries(ask, opening):
    with OpenAIServer(faults=Fault.HANG) as server:
        policy = quick(server, max_retries=1000, timeout_seconds=0.2, deadline_seconds=0.5)
        with pytest.raises(PolicyUnavailable):
            policy.generate(ask(opening))
        assert len(server.requests) <= 3


def test_an_address_without_scheme_is_the_callers_fault():
    with pytest.raises(InvalidRequest, match="localhost:8000"):
        OpenAIPolicy("localhost:8000/v1")


def test_the_key_is_not_shown():
    assert "secret" not in repr(OpenAIPolicy("http://127.0.0.1:1/v1", api_key="secret"))


async def test_async_calls_side_by_side_do_not_mix(ask):
    with OpenAIServer(lambda body: body["messages"][-1]["content"]) as server:
        policy = quick(server)
        requests = [ask([HumanMessage(f"{i}")]) for i in range(40)]
        completions = await asyncio.gather(*map(policy.agenerate, requests))
        assert [completion.text for completion in completions] == [f"{i}" for i in range(40)]
        assert len(server.requests) == 40
        assert server.paths.count("/v1/models") == 1


def test_one_policy_serves_several_event_loops(ask, opening):
    with OpenAIServer(["fine"]) as server:
        policy = quick(server)
        texts = {asyncio.run(policy.agenerate(ask(opening))).text for _ in range(3)}
    assert texts == {"fine"}


async def test_the_sync_call_works_inside_a_running_loop(ask, opening):
    with OpenAIServer(["fine"]) as server:
        assert quick(server).generate(ask(opening)).text == "fine"


@pytest.mark.parametrize(
    "address",
    ["localhost:8000", "http://", "http://:80/v1", "http://[::1/v1", "http://a\x00b", "ftp://a"],
)
def test_what_is_no_address_is_refused_at_once(address):
    with pytest.raises(InvalidRequest, match="no server address"):
        OpenAIPolicy(address)
