"""Traces that the environment switches on, as LangSmith runs and as OpenTelemetry spans."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from episodes import TWO_LOOKS
from openai_server import OpenAIServer, images_of
from trace_receiver import TraceReceiver
from traced_pixels import check_no_pixels

from eva_graph.trajectory import RunStore, Trajectory

pytestmark = pytest.mark.slow
EPISODE = Path(__file__).parent.parent / "traced_episode.py"


def traced(
    kind: str, clip: Path, run: Path, settings: dict[str, str]
) -> tuple[Trajectory, list[bytes]]:
    """The record of an episode that is traced as the environment says, and what the policy saw."""
    with OpenAIServer(TWO_LOOKS) as server:
        done = subprocess.run(
            [sys.executable, str(EPISODE), kind + server.base_url, str(clip), str(run)],
            env={**os.environ, "LANGSMITH_API_KEY": "none", "LANGSMITH_TRACING": "true"} | settings,
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stderr
        images = [data for body in server.requests for _, data in images_of(body)]
    return RunStore(run).get(done.stdout.strip()), images


@pytest.mark.parametrize("kind", ["", "chat:"])
def test_langsmith(kind: str, clip: Path, tmp_path: Path) -> None:
    with TraceReceiver() as receiver:
        record, images = traced(kind, clip, tmp_path, {"LANGSMITH_ENDPOINT": receiver.url})
    check_no_pixels(receiver.bodies, images)
    calls = [run for run in receiver.runs() if run["run_type"] == "llm"]
    assert len(calls) == len(record.turns) == 3


@pytest.mark.parametrize("kind", ["", "chat:"])
def test_opentelemetry(kind: str, clip: Path, tmp_path: Path) -> None:
    with TraceReceiver() as receiver:
        settings = {
            "LANGSMITH_TRACING_MODE": "otel",
            "OTEL_EXPORTER_OTLP_ENDPOINT": receiver.url,
        }
        record, images = traced(kind, clip, tmp_path, settings)
    check_no_pixels(receiver.bodies, images)
    spans = receiver.spans()
    assert {"video_agent", "summary", "plan", "action", "reflection"} <= {s.name for s in spans}
    calls = [span for span in spans if span.name == "policy"]
    for call, turn, frames in zip(calls, record.turns, (0, 2, 3), strict=True):
        told = {item.key: item.value for item in call.attributes}
        assert told["gen_ai.usage.input_tokens"].int_value == turn.prompt_tokens
        assert told["gen_ai.usage.output_tokens"].int_value == turn.completion_tokens
        assert prompt_of(told).count("frame://sha256:") >= frames


def prompt_of(attributes: dict[str, Any]) -> str:
    value = attributes["gen_ai.prompt"]
    return str(value.string_value or value.bytes_value.decode())
