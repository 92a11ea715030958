"""An evaluation on a real Ray cluster of this machine, its workers killed hard while they ask."""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
import pytest
from openai_server import OpenAIServer, unused_address
from small_benchmark import answers_asked, make_benchmark, number_of, reply_to, run_eval
from small_benchmark import timeless_report as report_of

from eva_graph.evaluation import EvaluationRun
from eva_graph.trajectory import RunStore, require_sound

VIDEOS, QUESTIONS = 4, 5
TOTAL = VIDEOS * QUESTIONS
Command = Callable[..., tuple[dict[str, Any], str]]


class KillingServer(OpenAIServer):
    """Answers slowly, and kills the process whose request `shall_kill` picks, once it has begun."""

    def __init__(self) -> None:
        super().__init__(self._line)
        self.shall_kill: Callable[[dict[str, Any]], bool] = lambda body: False
        self.killed: list[int] = []
        self._caller = threading.local()
        self._handle = self._http.process_request_thread
        self._http.process_request_thread = self._remembering

    def _remembering(self, request: Any, address: Any) -> None:
        self._caller.port = address[1]
        self._handle(request, address)

    def _line(self, body: dict[str, Any]) -> str:
        if self.shall_kill(body):
            pid = next(
                each.pid
                for each in psutil.net_connections("tcp4")
                if each.laddr.port == self._caller.port and each.raddr
            )
            self.killed.append(pid)
            os.kill(pid, signal.SIGKILL)
        time.sleep(0.05)
        return reply_to(body)


def recorded(run: Path) -> list[int]:
    return sorted(int(one.question.split()[2].rstrip(":")) for one in RunStore(run).records())


def writers(run: Path) -> set[str]:
    """Processes that wrote records."""
    return {path.name.split("-")[1] for path in (run / "records").iterdir()}


@pytest.mark.slow
def test_two_workers_and_one_killed(tmp_path: Path) -> None:
    benchmark = make_benchmark(tmp_path, videos=VIDEOS, questions=QUESTIONS)
    runs = [tmp_path / name for name in ("in_process", "on_ray", "disturbed")]
    with KillingServer() as server:
        command = [*benchmark, "--policy", server.base_url, "--concurrency", "2", "--out"]
        assert run_eval(*command, str(runs[0])) == 0
        server.requests.clear()

        assert run_eval(*command, str(runs[1]), "--ray") == 0
        assert answers_asked(server) == dict.fromkeys(range(TOTAL), 1)
        assert len(writers(runs[1])) >= 2, "both workers had a part"
        assert len(server.requests) == 2 * TOTAL
        server.requests.clear()

        done: list[int] = []
        first = threading.Lock()

        def in_the_middle(body: dict[str, Any]) -> bool:
            if len(server.requests) < TOTAL or not first.acquire(blocking=False):
                return False
            done.extend(recorded(runs[2]))
            return True

        server.shall_kill = in_the_middle
        assert run_eval(*command, str(runs[2]), "--ray") == 0
        assert len(server.killed) == 1
        assert done, "some questions were answered before the worker was killed"
        assert len(writers(runs[2]) | {str(server.killed[0])}) >= 3, "another took its place"
        twice = {number for number, times in answers_asked(server).items() if times > 1}
        assert len(twice) <= 1, "only what the killed worker was asking is asked again"
        assert not twice & set(done)
    for run in runs:
        assert recorded(run) == list(range(TOTAL)), "one record for each question"
        assert report_of(run) == report_of(runs[0])
        store = RunStore(run)
        assert require_sound(store.records(), store.frames) == TOTAL


@pytest.mark.slow
def test_a_question_that_kills_every_worker_is_an_error_of_its_own(tmp_path: Path) -> None:
    benchmark = make_benchmark(tmp_path, videos=2, questions=3)
    run = tmp_path / "run"
    with KillingServer() as server:
        command = [*benchmark, "--policy", server.base_url, "--concurrency", "4", "--ray", "--out"]
        server.shall_kill = lambda body: number_of(body) == 1
        assert run_eval(*command, str(run)) == 0
        rows = EvaluationRun(run).rows()
        assert [row.failed for row in rows] == [False, True, False, False, False, False]
        assert (rows[1].error or "").startswith("lost 3 Ray workers in a row: ")
        assert len(server.killed) >= 3

        server.shall_kill = lambda body: False
        server.requests.clear()
        assert run_eval(*command, str(run), "--retry-errors") == 0
        assert answers_asked(server) == {1: 1}, "the others have their records"
    assert not any(row.failed for row in EvaluationRun(run).rows())


def test_no_cluster_at_the_address(command: Command, benchmark: list[str], tmp_path: Path) -> None:
    address = unused_address().removeprefix("http://").removesuffix("/v1")
    with OpenAIServer(reply_to) as server:
        given = [*benchmark, "--policy", server.base_url, "--out", tmp_path / "run"]
        _, said = command("eval", "custom", *given, "--ray", address)
    assert f"eva-graph: no Ray cluster at {address}: " in said


def test_without_the_extra(
    command: Command, benchmark: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    with OpenAIServer(reply_to) as server:
        given = [*benchmark, "--policy", server.base_url, "--out", tmp_path / "run"]
        _, said = command("eval", "custom", *given, "--ray")
    assert said.endswith('eva-graph: --ray needs Ray: pip install "eva-graph[ray]"\n')
