"""An evaluation that is killed hard again and again ends in the report of an undisturbed one."""

from __future__ import annotations

import os
import random
import signal
import threading
import time
from pathlib import Path
from typing import Any

import pytest
from openai_server import OpenAIServer
from small_benchmark import make_benchmark, number_of, reply_to, run_eval, start_eval
from small_benchmark import timeless_report as report_of

from eva_graph.trajectory import RunStore, require_sound


def recorded(run: Path) -> list[int]:
    """Numbers of the questions that have a record or will be given one from the journal."""
    if not (run / "journal").is_dir():
        return []
    store = RunStore(run)
    records = [*store.records(), *(store.fold(each) for each in store.unwritten())]
    return sorted(int(record.question.split()[2].rstrip(":")) for record in records)


class KillingServer(OpenAIServer):
    """Answers slowly, and kills the process that asks after a number of requests."""

    def __init__(self) -> None:
        super().__init__(self._line)
        self._counting = threading.Lock()
        self.left = -1
        self.pid = 0

    def _line(self, body: dict[str, Any]) -> str:
        with self._counting:
            self.left -= 1
            if self.left == 0:
                os.kill(self.pid, signal.SIGKILL)
        time.sleep(0.01)
        return reply_to(body)


@pytest.mark.parametrize(
    ("videos", "questions", "kills"),
    [(3, 4, 3), pytest.param(20, 10, 10, marks=pytest.mark.slow)],
)
def test_killed_hard_at_random(videos: int, questions: int, kills: int, tmp_path: Path) -> None:
    benchmark = make_benchmark(tmp_path, videos=videos, questions=questions)
    total, dice = videos * questions, random.Random(kills)
    undisturbed, disturbed = tmp_path / "undisturbed", tmp_path / "disturbed"
    with KillingServer() as server:
        command = [*benchmark, "--policy", server.base_url, "--concurrency", "2", "--out"]
        assert run_eval(*command, str(undisturbed)) == 0
        server.requests.clear()
        done: set[int] = set()
        for _ in range(kills):
            server.left = dice.randint(4, 2 * total // kills)
            process = start_eval(*command, str(disturbed))
            server.pid = process.pid or 0
            process.join()
            assert process.exitcode == -signal.SIGKILL
            assert not done & {number_of(body) for body in server.requests}, "asked twice"
            done = set(recorded(disturbed))
            server.requests.clear()
        assert run_eval(*command, str(disturbed)) == 0
        assert not done & {number_of(body) for body in server.requests}
        assert done, "some answers were kept over a kill"
    assert recorded(disturbed) == list(range(total)), "one record for each question"
    assert report_of(disturbed) == report_of(undisturbed)
    store = RunStore(disturbed)
    assert require_sound(store.records(), store.frames) == total
