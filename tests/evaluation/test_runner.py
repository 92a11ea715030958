"""`eva-graph eval` and `compare` against a real server on real videos."""

from __future__ import annotations

import json
import threading
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from openai_server import OpenAIServer, Traits
from small_benchmark import answers_asked, make_benchmark, number_of, reply_to

from eva_graph.evaluation import EvaluationPlan, sampled
from eva_graph.evaluation.run_directory import sole_writer
from eva_graph.trajectory import RunStore, require_sound

Command = Callable[..., tuple[dict[str, Any], str]]


def test_a_benchmark_from_its_file_to_its_report(
    benchmark: list[str], tmp_path: Path, command: Command
) -> None:
    run = tmp_path / "run"
    with OpenAIServer(reply_to, traits=Traits(counts_cached=True)) as server:
        arguments = ["eval", "custom", *benchmark, "--policy", server.base_url, "--out", run]
        report, news = command(*arguments)
        assert answers_asked(server) == Counter(range(12))
        asked = len(server.requests)
        again, _ = command(*arguments)
        assert len(server.requests) == asked, "nothing is asked twice"
    assert "12 of 12 questions, accuracy 66.7 %" in news
    assert report["accuracy"]["value"] == pytest.approx(8 / 12)
    assert report["accuracy"]["videos"] == 4
    assert report["gate"]["valid"]
    assert report["measures"]["rounds"]["mean"] == 2
    assert 0.2 < report["measures"]["cached_share"]["mean"] < 0.8
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
    benchmark: list[str], tmp_path: Path, command: Command
) -> None:
    with OpenAIServer(reply_to) as server:
        arguments = ["eval", "custom", *benchmark, "--policy", server.base_url]
        first, _ = command(*arguments, "--out", tmp_path / "run")
    again, _ = command(*arguments, "--out", tmp_path / "run")
    assert again["accuracy"] == first["accuracy"]
    nothing, said = command(*arguments, "--out", tmp_path / "new")
    assert nothing == {}
    assert "eva-graph: http" in said
    assert not (tmp_path / "new").exists()


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        (("--profile", "reference"), "begun with --profile corrected, not reference"),
        (("--max-turns", "3"), "begun with --max-turns 6, not 3"),
        (("--limit", "2"), "begun with --limit none, not 2"),
        (("--tool", "seek"), "begun with --tool none, not seek"),
        (("--model", "another"), "begun with --model scripted-vl, not another"),
        (("--baseline", "uniform:4"), "begun with --baseline none, not uniform:4"),
    ],
)
def test_another_plan_is_refused(
    change: tuple[str, str],
    complaint: str,
    benchmark: list[str],
    tmp_path: Path,
    command: Command,
) -> None:
    with OpenAIServer(reply_to) as server:
        arguments = ["eval", "custom", *benchmark, "--policy", server.base_url, "--out", tmp_path]
        _, said = command(*arguments, "--concurrency", "0")
        assert "--concurrency must be at least 1" in said
        report, said = command(*arguments, *change)
        assert server.requests == []
    assert report == {}
    assert complaint in said


def test_changed_annotations_are_refused(
    benchmark: list[str], tmp_path: Path, command: Command
) -> None:
    rows = Path(benchmark[1]).read_text().splitlines(keepends=True)
    changed = tmp_path / "changed.jsonl"
    with OpenAIServer(reply_to) as server:
        arguments = ["eval", "custom", *benchmark, "--policy", server.base_url]
        arguments += ["--out", str(tmp_path / "run")]
        command(*arguments)
        for text, complaint in (
            ("".join(rows * 2), "other questions, 12 and not 24"),
            ("".join(rows).replace("number 7", "number 8"), "other questions, see question 7"),
        ):
            changed.write_text(text)
            report, said = command(*arguments, "--annotations", changed)
            assert report == {}
            assert complaint in said


def test_a_run_of_something_else_is_refused(
    benchmark: list[str], tmp_path: Path, command: Command
) -> None:
    with OpenAIServer(reply_to) as server:
        arguments = ["eval", "custom", *benchmark, "--policy", server.base_url, "--out", tmp_path]
        command(*arguments)
        (tmp_path / "evaluation.json").unlink()
        assert "holds records and no evaluation.json" in command(*arguments)[1]
        with sole_writer(tmp_path):
            assert "another process evaluates into" in command(*arguments)[1]


def test_a_sample_depends_on_the_seed_alone(
    benchmark: list[str], tmp_path: Path, command: Command
) -> None:
    run = tmp_path / "run"
    with OpenAIServer(reply_to) as server:
        arguments = ["eval", "custom", *benchmark, "--policy", server.base_url, "--out", run]
        report, _ = command(*arguments, "--limit", "5", "--seed", "3")
        asked = set(answers_asked(server))
    assert (report["questions"], len(asked)) == (5, 5)
    assert report["asked_for"]["limit"] == "5"
    settings = EvaluationPlan.load(run).settings.model_copy(update={"limit": None})
    questions = EvaluationPlan.of(settings, Path(benchmark[1]), Path(benchmark[3])).questions
    smaller, same, other = (
        {int(one.question_id) for one in sampled(questions, limit, seed=seed)}
        for limit, seed in ((4, 3), (5, 3), (5, 4))
    )
    assert smaller < same == asked != other
    reversed_order = sampled(questions[::-1], 5, seed=3)
    assert {int(one.question_id) for one in reversed_order} == same


def test_no_more_questions_at_a_time_than_allowed(tmp_path: Path, command: Command) -> None:
    """Three at a time, those of a video together, and no video open longer than it is asked."""
    benchmark = make_benchmark(tmp_path, videos=3, questions=5)
    waiting: set[int] = set()
    lock, barrier = threading.Lock(), threading.Barrier(3)
    together: list[set[int]] = []
    opened: list[set[str]] = []
    folder = tmp_path / "videos"

    def reply(body: dict[str, Any]) -> str:
        with lock:
            waiting.add(number_of(body))
            together.append(set(waiting))
            links = Path("/proc/self/fd").iterdir()
            opened.append(
                {str(file) for link in links if folder in (file := link.resolve()).parents}
            )
        barrier.wait(60)  # passes only where three are asked at once
        with lock:
            waiting.discard(number_of(body))
        return reply_to(body)

    with OpenAIServer(reply) as server:
        arguments = ["eval", "custom", *benchmark, "--policy", server.base_url]
        report, _ = command(*arguments, "--out", tmp_path / "run", "--concurrency", "3")
    assert report["questions"] == 15
    assert max(map(len, together)) == 3
    assert max(map(len, opened)) < 3, "a video is closed when its questions are done"
    for asked in together:
        assert max(asked) - min(asked) < 2 * 3, "questions are asked in order, video by video"


def test_the_reference_profile_asks_and_scores_as_the_harness(
    tmp_path: Path, command: Command
) -> None:
    benchmark = make_benchmark(tmp_path, videos=1, questions=1)
    unified = {
        "videos": ["video0.mp4"],
        "prompt": [{"role": "user", "content": "Question number 0?\\n(A) red\\n(B) blue"}],
        "reward_model": {"ground_truth": "A"},
    }
    Path(benchmark[1]).write_text(json.dumps(unified) + "\n")
    runs = {profile: tmp_path / profile for profile in ("reference", "corrected")}
    accuracy = {}
    with OpenAIServer(lambda body: "<answer>A. red</answer>") as server:
        for profile, run in runs.items():
            report, _ = command(
                *("eval", "lvbench", *benchmark, "--policy", server.base_url),
                *("--profile", profile, "--out", run),
            )
            accuracy[profile] = report["accuracy"]["value"]
    assert accuracy == {"reference": 0.0, "corrected": 1.0}
    first, second = (json.dumps(body["messages"]) for body in server.requests)
    assert "Question number 0?\\\\n(A) red\\\\n(B) blue" in first
    assert "A. red\\nB. blue\\nAnswer with" in second
    compared, said = command("compare", runs["reference"], runs["corrected"])
    assert compared["difference"]["value"] == 1.0
    assert "reference was scored by --profile reference and" in said
    assert "the scoring is a part of the difference" in said.replace("\n", " ")
    _, said = command("compare", runs["reference"], runs["reference"])
    assert said == ""
