"""`eva-graph eval` against a real server on real videos."""

from __future__ import annotations

import json
import sys
import threading
from collections import Counter
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from openai_server import OpenAIServer
from small_benchmark import answers_asked, make_benchmark, number_of, reply_to

from eva_graph.cli import main
from eva_graph.trajectory import RunStore, require_sound


@pytest.fixture(scope="module")
def benchmark(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    return make_benchmark(tmp_path_factory.mktemp("benchmark"))


def evaluated(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    *arguments: str,
    command: tuple[str, ...] = ("eval", "custom"),
) -> tuple[dict[str, Any], str]:
    """The command's JSON and what it said on stderr, an error's line included."""
    monkeypatch.setattr(sys, "argv", ["eva-graph", *command, *arguments, "--json"])
    with suppress(SystemExit):
        main()
    told = capsys.readouterr()
    return json.loads(told.out) if told.out else {}, told.err


def test_a_benchmark_from_its_file_to_its_report(
    benchmark: list[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    run = tmp_path / "run"
    with OpenAIServer(reply_to) as server:
        command = [*benchmark, "--policy", server.base_url, "--out", str(run)]
        report, news = evaluated(monkeypatch, capsys, *command)
        assert answers_asked(server) == Counter(range(12))
        asked = len(server.requests)
        again, _ = evaluated(monkeypatch, capsys, *command)
        assert len(server.requests) == asked, "nothing is asked twice"
    assert "12 of 12 questions, accuracy 66.7 %" in news
    assert report["accuracy"]["value"] == pytest.approx(8 / 12)
    assert report["accuracy"]["videos"] == 4
    assert report["gate"]["valid"]
    assert report["measures"]["rounds"]["mean"] == 2
    assert report["asked_for"] == {
        "benchmark": "custom",
        "profile": "corrected",
        "model": "scripted-vl",
    }
    assert again == json.loads((run / "report.json").read_text())
    assert "<h1>Evaluation</h1>" in (run / "report.html").read_text()
    store = RunStore(run)
    assert require_sound(store.records(), store.frames) == 12
    assert {record.expected for record in store.records()} == {"A"}


def test_a_finished_run_needs_no_server_to_report(
    benchmark: list[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    with OpenAIServer(reply_to) as server:
        command = [*benchmark, "--policy", server.base_url, "--out", str(tmp_path / "run")]
        first, _ = evaluated(monkeypatch, capsys, *command)
    again, _ = evaluated(monkeypatch, capsys, *command)
    assert again["accuracy"] == first["accuracy"]


def test_changed_annotations_are_refused(
    benchmark: list[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    rows = Path(benchmark[1]).read_text().splitlines(keepends=True)
    changed = tmp_path / "changed.jsonl"
    with OpenAIServer(reply_to) as server:
        command = [*benchmark, "--policy", server.base_url, "--out", str(tmp_path / "run")]
        evaluated(monkeypatch, capsys, *command)
        for text, complaint in (
            ("".join(rows * 2), "other questions, 12 and not 24"),
            ("".join(rows).replace("number 7", "number 8"), "other questions, see question 7"),
        ):
            changed.write_text(text)
            report, said = evaluated(monkeypatch, capsys, *command, "--annotations", str(changed))
            assert report == {}
            assert complaint in said


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        (("--profile", "reference"), "begun with --profile corrected, not reference"),
        (("--max-turns", "3"), "begun with --max-turns 6, not 3"),
        (("--limit", "2"), "begun with --limit none, not 2"),
        (("--tool", "seek"), "begun with --tools none, not seek"),
        (("--model", "another"), "begun with --model scripted-vl, not another"),
    ],
)
def test_another_plan_is_refused(
    change: tuple[str, str],
    complaint: str,
    benchmark: list[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    with OpenAIServer(reply_to) as server:
        command = [*benchmark, "--policy", server.base_url, "--out", str(tmp_path)]
        evaluated(monkeypatch, capsys, *command, "--concurrency", "0")
        report, said = evaluated(monkeypatch, capsys, *command, *change)
        assert server.requests == []
    assert report == {}
    assert complaint in said
    assert said.count("\n") <= 3


def test_no_more_questions_at_a_time_than_allowed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Three at a time, those of a video together, and no video open longer than it is asked."""
    benchmark = make_benchmark(tmp_path, videos=3, questions=5)
    waiting: set[int] = set()
    lock, barrier = threading.Lock(), threading.Barrier(3)
    together: list[set[int]] = []
    opened: list[set[str]] = []

    def reply(body: dict[str, Any]) -> str:
        with lock:
            waiting.add(number_of(body))
            together.append(set(waiting))
            links = [Path(link) for link in Path("/proc/self/fd").iterdir()]
            names = {link.resolve().name for link in links}
            opened.append({name for name in names if name.endswith(".mp4")})
        barrier.wait(60)  # passes only where three are asked at once
        with lock:
            waiting.discard(number_of(body))
        return reply_to(body)

    with OpenAIServer(reply) as server:
        command = [*benchmark, "--policy", server.base_url, "--out", str(tmp_path / "run")]
        report, _ = evaluated(monkeypatch, capsys, *command, "--concurrency", "3")
    assert report["questions"] == 15
    assert max(map(len, together)) == 3
    assert max(len(names) for names in opened) <= 3
    for asked in together:
        assert max(asked) - min(asked) < 2 * 3, "questions are asked in order, video by video"
