"""LangSmith's own tracer uploads a run to a real local server: references and counts, no pixels."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from episodes import QUESTION, TWO_LOOKS
from langchain_core.callbacks import UsageMetadataCallbackHandler
from langchain_core.tracers import LangChainTracer
from langchain_openai import ChatOpenAI
from langsmith import Client
from openai_server import Fault, OpenAIServer, images_of
from trace_receiver import TraceReceiver
from traced_pixels import check_no_pixels

from eva_graph import Context, build_graph
from eva_graph.testing import ScriptedPolicy
from eva_graph.trajectory import RunStore
from eva_graph_tools import FrameStore


@pytest.fixture(params=[True, False], ids=["multipart", "batch"])
def receiver(request: pytest.FixtureRequest) -> Iterator[TraceReceiver]:
    with TraceReceiver(multipart=request.param) as running:
        yield running


@pytest.fixture
def client(receiver: TraceReceiver) -> Iterator[Client]:
    client = Client(api_url=receiver.url, api_key="none")
    yield client
    client.close()


def chat_model(server: OpenAIServer) -> Any:
    return ChatOpenAI(
        base_url=server.base_url, api_key="none", model="scripted-vl", timeout=60, max_retries=0
    )


KINDS: dict[str, Callable[[OpenAIServer], Any]] = {
    "server": lambda server: server.base_url,
    "chat model": chat_model,
}


def run(graph: Any, clip: Path, config: Any, *, awaits: bool) -> Any:
    asked = {"video": str(clip), "question": QUESTION}
    return asyncio.run(graph.ainvoke(asked, config)) if awaits else graph.invoke(asked, config)


@pytest.mark.parametrize("awaits", [False, True])
@pytest.mark.parametrize("kind", KINDS)
def test_references_and_token_counts_without_pixels(
    kind: str, awaits: bool, receiver: TraceReceiver, client: Client, clip: Path, tmp_path: Path
) -> None:
    with OpenAIServer(TWO_LOOKS) as server:
        context = Context(record=str(tmp_path / "run"))
        graph = build_graph(KINDS[kind](server), context=context)
        output = run(graph, clip, {"callbacks": [LangChainTracer(client=client)]}, awaits=awaits)
        sent = [data for body in server.requests for _, data in images_of(body)]
    client.flush()
    assert output["answer"] == "yellow"
    check_no_pixels(receiver.bodies, sent)
    record = RunStore(tmp_path / "run").get(output["trajectory_id"])
    calls = [each for each in receiver.runs() if each["run_type"] == "llm"]
    assert [each["name"] for each in calls] == ["policy"] * 3
    for call, turn, frames in zip(calls, record.turns, (0, 2, 3), strict=True):
        assert tokens_of(call) == (turn.prompt_tokens, turn.completion_tokens)
        assert json.dumps(call["inputs"]).count('"frame://sha256:') >= frames
        assert call["extra"]["metadata"]["frames"] == frames
        assert call["extra"]["metadata"]["trajectory_id"] == output["trajectory_id"]
    names = {each["name"] for each in receiver.runs()}
    assert {"video_agent", "summary", "plan", "action", "reflection", "policy"} <= names


def tokens_of(call: dict[str, Any]) -> tuple[int, int]:
    message = call["outputs"]["generations"][0][0]["message"]["kwargs"]
    usage = message["usage_metadata"]
    return usage["input_tokens"], usage["output_tokens"]


def test_a_failing_policy_is_an_error_in_the_trace(
    receiver: TraceReceiver, client: Client, clip: Path, frames: FrameStore
) -> None:
    with OpenAIServer(faults=Fault.REFUSED_400) as server:
        graph = build_graph(server.base_url, frames=frames)
        output = run(graph, clip, {"callbacks": [LangChainTracer(client=client)]}, awaits=False)
    client.flush()
    assert output["stop_reason"] == "policy_error"
    (call,) = [each for each in receiver.runs() if each["run_type"] == "llm"]
    assert "refused the request with 400" in call["error"]


def test_callbacks_of_a_chat_model_itself_are_handed_no_pixels(
    receiver: TraceReceiver, client: Client, clip: Path, frames: FrameStore
) -> None:
    with OpenAIServer(TWO_LOOKS) as server:
        model = chat_model(server).model_copy(
            update={"callbacks": [LangChainTracer(client=client)]}
        )
        run(build_graph(model, frames=frames), clip, {}, awaits=False)
    client.flush()
    assert receiver.runs() == []


def test_token_counters_hear_of_every_policy(clip: Path, frames: FrameStore) -> None:
    counter = UsageMetadataCallbackHandler()
    with OpenAIServer(TWO_LOOKS) as server:
        graph = build_graph(server.base_url, frames=frames)
        run(graph, clip, {"callbacks": [counter]}, awaits=False)
    assert counter.usage_metadata["scripted-vl"]["output_tokens"] > 0


def test_a_stream_of_messages_carries_none_twice(clip: Path, frames: FrameStore) -> None:
    graph = build_graph(ScriptedPolicy(TWO_LOOKS), frames=frames)
    asked: Any = {"video": str(clip), "question": QUESTION}
    parts = [message for message, _ in graph.stream(asked, stream_mode="messages")]
    written = [message.content for message in parts if message.type == "ai"]
    assert TWO_LOOKS[-1] in written
    assert len(written) == len(set(written))
