"""What goes wrong with one question is a record of that question, and stays one."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from openai_server import Fault, OpenAIServer, Reply
from small_benchmark import answers_asked, make_benchmark, number_of, reply_to

from eva_graph.evaluation import (
    Asker,
    EvalQuestion,
    EvaluationPlan,
    EvaluationRun,
    EvaluationSettings,
    ask_videos,
    evaluate,
    make_asker,
)
from eva_graph.testing import ScriptedPolicy
from eva_graph.trajectory import RunStore, Trajectory, require_sound
from eva_graph_tools import StoreError

Command = Callable[..., tuple[dict[str, Any], str]]
TORN = {"video": "torn", "question": "Question number 50: what?", "answer": "red"}
GONE = {"video": "gone", "question": "Question number 60: what?", "answer": "red"}


def with_broken_videos(folder: Path) -> list[str]:
    """Two good questions, one about a file that is no video, one about a file that is nowhere."""
    benchmark = make_benchmark(folder, videos=1, questions=2, extra=(TORN, GONE))
    (folder / "videos" / "torn.mp4").write_bytes(b"no video")
    return benchmark


def test_errors_are_counted_and_asked_again_on_request_alone(
    tmp_path: Path, command: Command
) -> None:
    benchmark, run = with_broken_videos(tmp_path), tmp_path / "run"
    broken = True

    def reply(body: dict[str, Any]) -> Reply | str:
        return Reply(finish_reason="weird") if broken and number_of(body) == 1 else reply_to(body)

    with OpenAIServer(reply) as server:
        arguments = ["eval", "custom", *benchmark, "--policy", server.base_url, "--out", run]
        report, news = command(*arguments)
        assert "1 video missing (gone): 1 question cannot be asked" in news
        assert report["gate"]["errors"] == 2
        assert report["gate"]["unasked"] == 1
        assert not report["gate"]["valid"]
        assert report["stop_reasons"] == {"answered": 1, "policy_error": 1, "tool_error": 1}
        broken = False
        asked = len(server.requests)
        command(*arguments)
        assert len(server.requests) == asked, "an error is no reason to ask again"
        report, _ = command(*arguments, "--retry-errors")
        assert report["gate"]["errors"] == 1
        assert report["stop_reasons"] == {"answered": 2, "tool_error": 1}
        assert answers_asked(server) == {0: 1, 1: 1}
    store = RunStore(run)
    assert require_sound(store.records(), store.frames) == 5
    torn = [record for record in store.records() if record.question == TORN["question"]]
    assert {record.stop_reason for record in torn} == {"tool_error"}
    assert all("torn.mp4" in (record.error or "") for record in torn)


def test_a_video_that_changes_meanwhile_ends_the_episode_and_keeps_it(
    tmp_path: Path, command: Command
) -> None:
    benchmark, run = make_benchmark(tmp_path, videos=1, questions=1), tmp_path / "run"
    video = tmp_path / "videos" / "video0.mp4"

    def reply(body: dict[str, Any]) -> str:
        make_benchmark(tmp_path / "other", videos=2, questions=1)
        (tmp_path / "other" / "videos" / "video1.mp4").replace(video)
        return reply_to(body)

    with OpenAIServer(reply) as server:
        arguments = ["eval", "custom", *benchmark, "--policy", server.base_url, "--out", run]
        report, _ = command(*arguments)
    assert report["stop_reasons"] == {"tool_error": 1}
    (record,) = RunStore(run).records()
    assert "is not the video that this episode began with" in (record.error or "")
    assert len(record.turns) == 1
    assert RunStore(run).news() == []


def test_nothing_can_be_asked(tmp_path: Path, command: Command) -> None:
    benchmark = make_benchmark(tmp_path, videos=0, extra=(GONE,))
    with OpenAIServer(reply_to) as server:
        arguments = ["eval", "custom", *benchmark, "--policy", server.base_url]
        report, said = command(*arguments, "--out", tmp_path / "run")
    assert report == {}
    assert "none of the 1 videos was found (the first is gone)" in said


class FullDisk:
    """Asks as the agent does, until the disk is full."""

    def __init__(self, asker: Asker, good: int) -> None:
        self._asker = asker
        self._left = good
        self.videos = asker.videos
        self.check = asker.check

    async def ask(self, question: EvalQuestion) -> Trajectory:
        self._left -= 1
        if self._left < 0:
            raise StoreError("frames cannot be kept: the disk is full")
        return await self._asker.ask(question)


def test_what_no_question_survives_ends_the_evaluation_in_one_error(tmp_path: Path) -> None:
    benchmark, run = make_benchmark(tmp_path, videos=2, questions=3), tmp_path / "run"
    policy = ScriptedPolicy(["<answer>A</answer>"])
    settings = EvaluationSettings(benchmark="custom", model="scripted")
    plan = EvaluationPlan.of(settings, Path(benchmark[1]), Path(benchmark[3]))
    asker = make_asker(settings, policy, run)
    with pytest.raises(StoreError, match="the disk is full"):
        evaluate(plan, run, partial(ask_videos, asker=FullDisk(asker, 2), concurrency=1))
    assert [row.asked for row in EvaluationRun(run).rows()] == [True] * 2 + [False] * 4
    report = evaluate(plan, run, partial(ask_videos, asker=asker, concurrency=3))
    assert report.accuracy.questions == 6
    assert len(policy.requests) == 6


def test_ctrl_c_says_how_to_go_on(tmp_path: Path) -> None:
    benchmark = make_benchmark(tmp_path, videos=1, questions=1)
    with OpenAIServer(reply_to, faults=Fault.HANG) as server:
        command = [*benchmark, "--policy", server.base_url, "--out", str(tmp_path / "run")]
        program = [sys.executable, "-m", "eva_graph.cli", "eval", "custom", *command]
        process = subprocess.Popen(program, stderr=subprocess.PIPE, stdout=subprocess.PIPE)
        while not server.requests:
            time.sleep(0.05)
        process.send_signal(signal.SIGINT)
        out, said = process.communicate(timeout=120)
        server.released.set()
    assert process.returncode == 130
    assert out == b""
    assert b"stopped: the same command goes on" in said
