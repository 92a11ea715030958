"""Inside a policy call nobody listens: neither callbacks, nor LangSmith, nor OpenTelemetry."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest
from episodes import QUESTION
from langchain_core.callbacks import BaseCallbackHandler
from langchain_core.runnables import RunnableLambda
from langchain_core.tracers.context import tracing_v2_enabled
from langsmith import Client, traceable
from opentelemetry import context
from trace_receiver import TraceReceiver

from eva_graph import build_graph
from eva_graph.policy.protocol import PolicyRequest
from eva_graph.policy.transport import run_blocking
from eva_graph.testing import ScriptedPolicy
from eva_graph_tools import FrameStore

PIXELS = "what only the policy may see"


class Names(BaseCallbackHandler):
    """Everything that a handler of the run was told, as text."""

    def __init__(self) -> None:
        self.told: list[str] = []

    def on_chain_start(self, *arguments: Any, **more: Any) -> None:
        self.told.append(f"{arguments} {more}")


@pytest.mark.parametrize("awaits", [False, True])
def test_nobody_listens(awaits: bool, clip: Path, frames: FrameStore) -> None:
    suppressed: list[object] = []

    async def instrumented() -> None:
        suppressed.append(context.get_value(context._SUPPRESS_INSTRUMENTATION_KEY))

    def script(request: PolicyRequest) -> str:
        RunnableLambda(lambda given: given).invoke(PIXELS)
        traceable(lambda given: given)(PIXELS)
        run_blocking(instrumented)  # in a thread of its own where a loop is running
        return "<answer>red</answer>"

    names, asked = Names(), {"video": str(clip), "question": QUESTION}
    with TraceReceiver() as receiver:
        client = Client(api_url=receiver.url, api_key="none")
        graph = build_graph(ScriptedPolicy(script), frames=frames)
        with tracing_v2_enabled(client=client):
            if awaits:
                asyncio.run(graph.ainvoke(asked, {"callbacks": [names]}))
            else:
                graph.invoke(asked, {"callbacks": [names]})
        client.flush()
        client.close()
    assert [run["name"] for run in receiver.runs()].count("policy") == 1
    assert not any(PIXELS.encode() in body for body in receiver.bodies)
    assert names.told
    assert not any(PIXELS in told for told in names.told)
    assert suppressed == [True]
    assert context.get_value(context._SUPPRESS_INSTRUMENTATION_KEY) is None
