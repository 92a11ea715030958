"""Teacher rollouts for SFT: played through the graph, accepted by rule, counted, resumable."""

from __future__ import annotations

import json
import os
import signal
import threading
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from data_sets import (
    SECONDS,
    SEED,
    SUMMARY,
    asked_second,
    colour_rows,
    data_in_new_process,
    kind_of,
    question,
    teacher,
    text_of,
    write_questions,
)
from datasets import load_dataset
from openai_server import OpenAIServer, images_of
from typer.testing import CliRunner

from eva_graph.dialects.eva import SYSTEM_TEXT
from eva_graph.testing import make_clip
from eva_graph.trajectory import RecordFilter, RunStore
from eva_graph_training.data.command import app

SETTINGS = ("--set", "data.held_out_share=0.0", "--set", "data.attempts=2", "--seed", str(SEED))
Build = Callable[..., dict[str, Any]]


@pytest.fixture
def asked(clip: Path, tmp_path: Path) -> Path:
    return write_questions(tmp_path / "q.jsonl", colour_rows(clip))


def arguments(asked: Path, clip: Path, server: OpenAIServer, *more: str) -> list[str]:
    """Of `data sft`, into the folder `set` beside the questions."""
    return [
        "sft", str(asked), "--videos", str(clip.parent), "--policy", server.base_url,
        "--out", str(asked.parent / "set"), "--json", *SETTINGS, *more,
    ]  # fmt: skip


def build(*argv: str) -> dict[str, Any]:
    """What `eva-graph data` prints."""
    done = CliRunner().invoke(app, list(argv), catch_exceptions=False)
    counts: dict[str, Any] = json.loads(done.stdout)
    return counts


EXPECTED = {
    "questions": 7,
    "left_out": {},
    "held_out": 0,
    "fates": {"solved": 5, "solved by no attempt": 1, "solved without the video": 1},
    "blind": 1,
    "attempts": {
        "accepted": 5,
        "wrong answer": 3,
        "right without a look": 1,
        "format: no Plan before a call": 1,
        "audit: above_one_fps": 1,
    },
    "looked_again": 5,
    "experiences": {"teacher": 5},
    "rows": 5,
}


def test_what_a_teacher_solves_well_becomes_rows_and_all_else_is_counted(
    asked: Path, clip: Path
) -> None:
    with OpenAIServer(teacher) as server:
        counts = build(*arguments(asked, clip, server))
    families = counts.pop("attempts_by_family"), counts.pop("accepted_by_family")
    assert counts == EXPECTED
    assert sum(families[0].values()) == 11
    assert sum(families[1].values()) == 5
    out = asked.parent / "set"
    rows = load_dataset("parquet", data_files=str(out / "train/train.parquet"), split="train")
    assert sorted(row["messages"][1]["content"][0]["text"][-10:-1] for row in rows) == sorted(
        question(second)[-10:-1] for second in (1, 2, 5, 6, 7)
    )
    card = (out / "README.md").read_text()
    for line in ("| solved by no attempt | 1 |", "| solved without the video | 1 |",
                 "| wrong answer | 3 |", "| q.jsonl (custom) |", f"| seed | {SEED} |"):  # fmt: skip
        assert line.removeprefix("| q") in card


def test_the_record_stays_plain_while_the_teacher_is_guided(asked: Path, clip: Path) -> None:
    with OpenAIServer(teacher) as server:
        build(*arguments(asked, clip, server))
        played = [body for body in server.requests if kind_of(body) == "play"]
    systems = {text_of(body["messages"][0]) for body in played}
    guidance = told_attempts(asked.parent / "set")
    assert len(guidance) == 11
    for told in guidance:
        assert any(text.endswith(told["text"]) and "Tools:" in text for text in systems)
    assert {told["family"] for told in guidance} == {"experience", "workflow", "reflective"}
    for record in RunStore(asked.parent / "set/run").records():
        assert record.messages[0]["content"] == SYSTEM_TEXT
        assert all(turn.tokens is None for turn in record.turns)
        assert f"family_{told_of(guidance, record)}" in record.labels


def told_attempts(out: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (out / "guidance.jsonl").read_text().splitlines()]


def told_of(guidance: list[dict[str, Any]], record: Any) -> str:
    attempt = (record.question_id, record.context["seed"] - SEED)
    return next(
        told["family"] for told in guidance if (told["question_id"], told["attempt"]) == attempt
    )


def test_plain_adds_nothing_and_keeps_the_sampled_ids(asked: Path, clip: Path) -> None:
    with OpenAIServer(teacher) as server:
        counts = build(*arguments(asked, clip, server, "--family", "plain", "--keep-blind"))
        played = [body for body in server.requests if kind_of(body) == "play"]
    assert {text_of(body["messages"][0]) for body in played} == {SYSTEM_TEXT}
    assert counts["fates"] == {"solved": 6, "solved by no attempt": 1}
    assert counts["blind"] == 1
    records = RunStore(asked.parent / "set/run").records(RecordFilter(labels={"accepted"}))
    assert all(turn.tokens is not None for record in records for turn in record.turns)


def test_blind_questions_show_no_frame_and_no_tool(asked: Path, clip: Path) -> None:
    with OpenAIServer(teacher) as server:
        build(*arguments(asked, clip, server))
        blind = [body for body in server.requests if kind_of(body) == "blind"]
    assert len(blind) == len(SECONDS)
    for body in blind:
        assert images_of(body) == []
        assert "tools" not in body
        assert "Video Length" not in text_of(body["messages"][1])


def test_experiences_of_other_videos_are_told(tmp_path: Path) -> None:
    clips = [
        make_clip(tmp_path / f"c{n}.mp4", seconds=8, size=(112, 84), fps=3 + n) for n in (1, 2)
    ]
    asked = write_questions(
        tmp_path / "q.jsonl", [row for clip in clips for row in colour_rows(clip, [1])]
    )
    with OpenAIServer(teacher) as server:
        build(*arguments(asked, clips[0], server, "--family", "experience", "--workers", "1"))
    first, second = told_attempts(tmp_path / "set")
    assert first["experiences"] == []
    assert second["experiences"] == [first["question_id"]]
    assert second["text"].endswith(f"- {SUMMARY}")


@pytest.mark.slow
@pytest.mark.parametrize("requests", [2, 9, 17, 26])
def test_a_killed_build_goes_on_and_asks_nothing_twice(
    asked: Path, clip: Path, requests: int
) -> None:
    seen = threading.Semaphore(0)
    asked_for: list[tuple[str, int, int | None]] = []

    def watched(body: dict[str, Any]) -> str:
        asked_for.append((kind_of(body), asked_second(body), body.get("seed")))
        seen.release()
        return teacher(body)

    store = RunStore(asked.parent / "set/run")
    with OpenAIServer(watched) as server:
        argv = arguments(asked, clip, server, "--workers", "2")
        process = data_in_new_process(argv)
        for _ in range(requests):
            assert seen.acquire(timeout=60)
        os.kill(process.pid, signal.SIGKILL)
        process.join()
        before = list(asked_for)
        done = finished(store)
        asked_for.clear()
        counts = build(*argv)
    again = {(second, seed) for kind, second, seed in asked_for if kind == "play"}
    assert not again & done
    blind = Counter(second for kind, second, _ in before + asked_for if kind == "blind")
    assert max(blind.values()) <= 2
    assert sum(blind.values()) <= len(SECONDS) + 2  # two workers were under way
    del counts["attempts_by_family"], counts["accepted_by_family"]
    assert counts == EXPECTED
    assert len(finished(store)) == 11


def finished(store: RunStore) -> set[tuple[int, int]]:
    """Second and seed of the attempts that are over."""
    if not store.run.exists():
        return set()
    store.recover()
    return {
        (int((record.question_id or "-0").rpartition("-")[2]), record.context["seed"])
        for record in (store.records() if len(store) else ())
    }
