"""Ctrl-C at every long command: a real signal to a real process at a point that is known.

The point is a request that a server leaves unanswered, a frame that cannot be read to its end (a
named pipe that nobody writes to), or a line that the command prints. Nothing is let go before the
process has ended by itself.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from made_run import make_run
from openai_server import Fault, OpenAIServer
from random_model import random_model
from recorded_runs import make_clips, scripted_run
from small_benchmark import make_benchmark

COMMAND = [sys.executable, "-W", "error", "-m", "eva_graph.cli"]
GOES_ON = "stopped: the same command goes on from here"
AGAIN = "stopped: give the same command again"


Start = Callable[..., subprocess.Popen[str]]


@pytest.fixture
def start() -> Iterator[Start]:
    """Starts commands; those that a failing test leaves behind are ended."""
    with ExitStack() as started:

        def begin(*arguments: str | Path) -> subprocess.Popen[str]:
            pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
            process = subprocess.Popen([*COMMAND, *map(str, arguments)], text=True, **pipes)
            started.enter_context(process)
            started.callback(process.kill)
            return process

        yield begin


def interrupted(process: subprocess.Popen[str], *, out: str = "") -> str:
    """Send it Ctrl-C; the last line that it says."""
    process.send_signal(signal.SIGINT)
    told, said = process.communicate(timeout=120)
    assert process.returncode == 130, said
    assert told == out
    assert "Traceback" not in said
    return said.splitlines()[-1]


@pytest.fixture
def questions(tmp_path: Path) -> list[str]:
    """A file of questions about two videos, and where these lie."""
    benchmark = make_benchmark(tmp_path, videos=2, questions=1)
    return [benchmark[1], "--videos", benchmark[3]]


@pytest.mark.parametrize("command", ["ask", "eval", "sft", "kto", "rl"])
def test_while_the_policy_says_nothing(
    command: str, questions: list[str], start: Start, tmp_path: Path
) -> None:
    out, data = tmp_path / "out", ["--recipe", "nano-cpu", "--set", "data.held_out_share=0.0"]
    arguments: dict[str, list[str | Path]] = {
        "ask": ["ask", Path(questions[2]) / "video0.mp4", "What?", "--record", out],
        "eval": ["eval", "custom", "--annotations", *questions, "--out", out],
        **{name: ["data", name, *questions, "--out", out, *data] for name in ("sft", "kto", "rl")},
    }
    with OpenAIServer(faults=Fault.HANG) as server:
        process = start(*arguments[command], "--policy", server.base_url)
        while not server.requests:
            assert process.poll() is None, process.communicate()
            time.sleep(0.02)
        said = interrupted(process)
    assert said == ("stopped: ask again" if command == "ask" else GOES_ON)


def test_while_the_judge_says_nothing(start: Start, tmp_path: Path) -> None:
    run = make_run(tmp_path, 2)
    with OpenAIServer(faults=Fault.HANG) as server:
        process = start("label", run, "--judge", server.base_url)
        while not server.requests:
            assert process.poll() is None, process.communicate()
            time.sleep(0.02)
        assert interrupted(process).startswith(AGAIN)


def reading(pipe: Path, process: subprocess.Popen[str]) -> int:
    """Wait until the command has opened a named pipe; this end of it."""
    while True:
        try:
            return os.open(pipe, os.O_WRONLY | os.O_NONBLOCK)
        except OSError:  # nobody reads yet
            assert process.poll() is None, process.communicate()
            time.sleep(0.02)


def test_in_the_middle_of_a_page(start: Start, tmp_path: Path) -> None:
    run, folder = make_run(tmp_path / "run", 2), tmp_path / "out"
    folder.mkdir()
    pipe = max(path for path in (run / "frames").rglob("*") if path.is_file())
    pipe.unlink()
    os.mkfifo(pipe)
    process = start("view", run, "--out", folder / "page.html")
    end = reading(pipe, process)
    try:
        assert interrupted(process).startswith("stopped: no page was written")
    finally:
        os.close(end)
    assert list(folder.iterdir()) == []


def test_a_server_that_waits_for_clients(start: Start, clip: Path) -> None:
    process = start("mcp", clip.parent, "--tools-only", "--http", "--port", "0")
    assert process.stderr is not None
    assert process.stderr.readline().startswith("http://127.0.0.1:")
    assert interrupted(process) == "stopped: the same command serves again"


def test_a_server_on_stdio(start: Start, clip: Path) -> None:
    process = start("mcp", clip.parent, "--tools-only")
    assert process.stdin is not None
    assert process.stdout is not None
    hello = {
        "protocolVersion": "2025-06-18", "capabilities": {},
        "clientInfo": {"name": "test", "version": "1"},
    }  # fmt: skip
    request = {"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": hello}
    process.stdin.write(json.dumps(request) + "\n")
    process.stdin.flush()
    assert json.loads(process.stdout.readline())["id"] == 1
    assert interrupted(process) == "stopped: the same command serves again"


@pytest.mark.slow
@pytest.mark.parametrize("stage", ["sft", "kto", "grpo"])
def test_in_the_middle_of_training(stage: str, start: Start, tmp_path: Path) -> None:
    (tmp_path / "clips").mkdir()
    run = scripted_run(make_clips(tmp_path / "clips"), tmp_path / "run")
    small: list[str] = []
    for setting in (
        f"work={tmp_path / 'work'}", f"model={random_model(tmp_path / 'model')}",
        f"{stage}.start={tmp_path / 'model'}", f"runs=[{run}]", f"{stage}.batch=2",
        f"{stage}.per_device_batch=2", f"{stage}.max_steps=3", f"{stage}.transcripts=0",
        f"{stage}.save_every_minutes=1.0e-9", "grpo.rollouts=2", "episode.max_new_tokens=8",
        f"{stage}.checks.blind_control=false",
    ):  # fmt: skip
        small += ["--set", setting]
    process = start("train", stage, "nano-cpu", *small)
    assert process.stderr is not None
    begun = next(line for line in process.stderr if line.startswith(f"{stage} 2/3"))
    assert begun
    assert interrupted(process) == "stopped: the same command goes on from the last checkpoint"
    assert not (tmp_path / "work" / stage / "model").exists()
    again = start("train", stage, "nano-cpu", *small)
    _, said = again.communicate(timeout=120)
    assert again.returncode == 0, said
    assert f"{stage}: goes on from step" in said
