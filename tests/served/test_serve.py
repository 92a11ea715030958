"""`eva-graph serve` with a real vLLM: it comes up, is probed, answers a question, and is gone."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from vllm_server import SETTINGS, free_port, wait_until_healthy

from eva_graph.policy.openai_compatible import OpenAIPolicy

pytestmark = [pytest.mark.vllm, pytest.mark.timeout(900)]

COMMAND = [sys.executable, "-m", "eva_graph.cli"]
STOP_LIMIT_SECONDS = 60
NANO = {
    "chat": "yes", "eva_format": "yes", "native_tools": "no", "images": "yes",
    "tool_images": "yes", "several_images": "yes", "cached_tokens": "yes", "media_uuids": "yes",
    "token_ids": "yes", "logprobs": "yes", "continuation": "yes", "guided_decoding": "yes",
}  # fmt: skip


@contextmanager
def serving(log: Path, *options: str) -> Iterator[tuple[subprocess.Popen[bytes], str]]:
    """The command in a session of its own, as in a terminal, and the server's base URL."""
    port = free_port()
    with log.open("wb") as output:
        process = subprocess.Popen(
            [*COMMAND, "serve", "nano", "--port", str(port), *options],
            stdout=output,
            stderr=subprocess.STDOUT,
            env=os.environ | SETTINGS,
            start_new_session=True,
        )
    try:
        wait_until_healthy(process, port, log)
        yield process, f"http://127.0.0.1:{port}/v1"
    finally:
        if somebody_is_left(process.pid):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait(timeout=STOP_LIMIT_SECONDS)


def somebody_is_left(group: int) -> bool:
    """Whether any process of a group is there, also one that nobody has waited for."""
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    return True


def gone(process: subprocess.Popen[bytes]) -> bool:
    process.wait(timeout=STOP_LIMIT_SECONDS)
    give_up = time.monotonic() + STOP_LIMIT_SECONDS
    while somebody_is_left(process.pid) and time.monotonic() < give_up:
        time.sleep(0.2)
    return not somebody_is_left(process.pid)


def test_it_is_probed_answers_and_ends_with_ctrl_c(tmp_path: Path) -> None:
    with serving(tmp_path / "log.txt") as (process, url):
        policy = OpenAIPolicy(url)
        report = policy.probe()
        assert {one.capability: one.answer for one in report.found} == NANO
        assert (report.delivery, report.dialect, report.calls) == ("tool", "eva", "turn")
        assert (report.patch_pixels, report.logprobs_kind) == (28, "raw")
        assert report.context_tokens == 8192
        assert "knows only its synthetic world" in (policy.info.notice or "")
        demo = [*COMMAND, "demo", "--json", "--policy", url]
        done = subprocess.run(demo, capture_output=True, text=True, check=True)
        told = json.loads(done.stdout)
        assert told["correct"]
        assert told["notice"] is None  # its own world is what it knows
        doctor = [*COMMAND, "doctor", "--policy", url]
        assert "suits --dialect eva" in subprocess.check_output(doctor, text=True)
        os.killpg(process.pid, signal.SIGINT)  # what a terminal does
        assert gone(process)


def test_for_training_it_takes_weights_and_ends_when_told(tmp_path: Path) -> None:
    with serving(tmp_path / "log.txt", "--training", "--max-model-len", "4096") as (process, url):
        report = OpenAIPolicy(url).probe()
        assert (report.context_tokens, report.logprobs_kind) == (4096, "processed")
        reset = urllib.request.Request(url.removesuffix("/v1") + "/reset_prefix_cache", b"")
        with urllib.request.urlopen(reset, timeout=60) as answer:
            assert answer.status == 200
        process.send_signal(signal.SIGTERM)  # what a supervisor does
        assert gone(process)
