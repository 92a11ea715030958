"""The RL set: failures first, mixed, enhanced on unseen videos by rounds that can be resumed."""

from __future__ import annotations

import json
import os
import shutil
import signal
import threading
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from data_sets import (
    asked_second,
    colour_rows,
    data_in_new_process,
    kind_of,
    question,
    text_of,
    write_questions,
)
from episodes import answer, look, span
from hypothesis import given
from hypothesis import strategies as st
from openai_server import OpenAIServer, images_of
from typer.testing import CliRunner

from eva_graph.errors import EvaGraphError
from eva_graph.evaluation.benchmarks.loading import load_questions
from eva_graph.testing import clip_colour, make_clip
from eva_graph.trajectory import RunStore
from eva_graph_training.data.command import app
from eva_graph_training.data.writing import MAX_LINES, WRITE_SYSTEM, read_reply

Json = dict[str, Any]


@pytest.fixture(scope="module")
def clips(tmp_path_factory: pytest.TempPathFactory) -> Sequence[Path]:
    """One with questions, three without, each of another content."""
    folder = tmp_path_factory.mktemp("clips")
    return [make_clip(folder / f"c{n}.mp4", seconds=8, size=(112, 84), fps=n) for n in (3, 4, 5, 6)]


@pytest.fixture
def asked(clips: Sequence[Path], tmp_path: Path) -> Path:
    """Four open questions and two of multiple choice."""
    rows = colour_rows(clips[0], [1, 2, 3, 4])
    for second in (5, 6):
        (row,) = colour_rows(clips[0], [second])
        rows.append({**row, "options": [clip_colour(second), "beige"], "answer": "A"})
    return write_questions(tmp_path / "q.jsonl", rows)


@pytest.fixture
def unseen(clips: Sequence[Path], tmp_path: Path) -> Path:
    """Three new videos, one of them twice, the one with questions, and no video."""
    folder = tmp_path / "unseen"
    folder.mkdir()
    for clip in clips:
        shutil.copy(clip, folder)
    shutil.copy(clips[1], folder / "again.mp4")
    (folder / "broken.mp4").write_bytes(b"no video")
    return folder


def policy(body: Json) -> str:
    """Right at even seconds, wrong at odd ones; blind, it knows the fourth and eighth second."""
    second = asked_second(body)
    chosen = "A" if "\nA. " in text_of(body["messages"][1]) else clip_colour(second)
    if kind_of(body) == "blind":
        return answer(chosen if second % 4 == 0 else "cannot be known", reflection="")
    if len(body["messages"]) == 2:
        return look(span(second, second, 1))
    return answer(chosen if second % 2 == 0 else "beige")


def row(second: int) -> str:
    return json.dumps({"question": question(second), "answer": clip_colour(second)})


REPLY = "\n".join(
    [
        "```json",
        row(3),
        row(5),
        row(4),
        json.dumps({"question": "At 5 seconds, which colour is shown?", "answer": "orange"}),
        "Here are some more:",
        json.dumps({"question": "What is said?", "answer": "a thing", "video": "/etc/passwd"}),
        row(6),
        "__import__('os').system('true')",
        "```",
    ]
)


def teacher(body: Json) -> str:
    if text_of(body["messages"][0]) == WRITE_SYSTEM:
        return REPLY
    return answer("cannot be known", reflection="")


def arguments(asked: Path, clips: Sequence[Path], server: OpenAIServer, *more: str) -> list[str]:
    return [
        "rl", str(asked), "--videos", str(clips[0].parent), "--policy", server.base_url,
        "--out", str(asked.parent / "set"), "--json",
        "--set", "data.held_out_share=0.0", "--set", "data.attempts=2", *more,
    ]  # fmt: skip


def build(*argv: str) -> Json:
    done = CliRunner().invoke(app, list(argv), catch_exceptions=False)
    counts: Json = json.loads(done.stdout)
    return counts


def set_of(asked: Path) -> list[Json]:
    text = (asked.parent / "set/questions.jsonl").read_text()
    return [json.loads(line) for line in text.splitlines()]


def test_failures_come_first_and_both_kinds_have_their_number(
    asked: Path, clips: Sequence[Path]
) -> None:
    sizes = ("--set", "data.rl_open_questions=3", "--set", "data.rl_choice_questions=1")
    with OpenAIServer(policy) as server:
        counts = build(*arguments(asked, clips, server, *sizes))
    assert counts["rows"] == {
        "open, failed": 2,
        "open, solved": 1,
        "multiple choice, failed": 1,
    }
    assert counts["left_out"] == {"open, solved": 1, "multiple choice, solved": 1}
    *failed, solved = [row["question_id"].rpartition("-")[2] for row in set_of(asked)]
    assert sorted(failed) == ["1", "3", "5"]
    assert solved in "24"


def test_the_set_is_read_by_the_loader_of_evaluations(asked: Path, clips: Sequence[Path]) -> None:
    with OpenAIServer(policy) as server:
        build(*arguments(asked, clips, server))
    loaded = load_questions("custom", asked.parent / "set/questions.jsonl", clips[0].parent)
    assert len(loaded) == 6
    assert not any(one.problem or one.missing for one in loaded)
    assert sum(bool(one.options) for one in loaded) == 2


ENHANCED = {
    "failures": 3,
    "videos": 3,
    "written": 12,
    "questions": 6,
    "left_out": {
        "answered without the video": 3,
        "asks the same as another one": 3,
        "more than was asked for": 3,
        "not JSON": 6,
        "not an object of question and answer": 3,
    },
}
MORE = ("--per-video", "4", "--set", "data.enhancement_rounds=1")


def test_failures_become_new_questions_on_unseen_videos(
    asked: Path, clips: Sequence[Path], unseen: Path
) -> None:
    with OpenAIServer(policy) as server, OpenAIServer(teacher) as writer:
        more = (*MORE, "--unseen", str(unseen), "--teacher", writer.base_url)
        counts = build(*arguments(asked, clips, server, *more))
        requests = [b for b in writer.requests if text_of(b["messages"][0]) == WRITE_SYSTEM]
    assert counts["rounds"] == [ENHANCED]
    assert counts["unseen"] == {
        "has questions already, or is there twice": 2,
        "the video cannot be read": 1,
        "to write about": 3,
    }
    new = [row for row in set_of(asked) if row["question_id"].startswith("round1/")]
    assert len(new) == 6
    assert all(Path(row["video"]).parent == unseen for row in new)
    assert Counter(row["question"] for row in new) == {question(3): 3, question(5): 3}
    for body in requests:
        shown = text_of(body["messages"][1])
        assert question(1) in shown
        assert question(3) in shown
        assert question(2) not in shown
        assert len(images_of(body)) == 24
    card = (asked.parent / "set/README.md").read_text()
    assert "| left out: answered without the video | 3 |" in card


def test_a_second_round_takes_other_videos_and_the_failures_of_the_first(
    asked: Path, clips: Sequence[Path], unseen: Path
) -> None:
    with OpenAIServer(policy) as server, OpenAIServer(teacher) as writer:
        more = ("--per-video", "4", "--unseen", str(unseen), "--teacher", writer.base_url)
        counts = build(*arguments(asked, clips, server, *more))
    first, second = counts["rounds"]
    assert (first["videos"], second["videos"]) == (2, 1)
    assert second["failures"] == first["failures"] + first["questions"]
    assert len({row["question_id"] for row in set_of(asked)}) == len(set_of(asked)) == 6 + 6


@pytest.mark.slow
@pytest.mark.parametrize("requests", [5, 14, 19, 30])
def test_a_killed_round_goes_on_and_asks_nothing_twice(
    asked: Path, clips: Sequence[Path], unseen: Path, requests: int
) -> None:
    seen = threading.Semaphore(0)
    asked_for = []

    def heard(answers: Callable[[Json], str]) -> Callable[[Json], str]:
        def reply(body: Json) -> str:
            asked_for.append(text_of(body["messages"][0]))
            seen.release()
            return answers(body)

        return reply

    with OpenAIServer(heard(policy)) as server, OpenAIServer(heard(teacher)) as writer:
        more = (*MORE, "--unseen", str(unseen), "--teacher", writer.base_url, "--workers", "1")
        argv = arguments(asked, clips, server, *more)
        process = data_in_new_process(argv)
        for _ in range(requests):
            assert seen.acquire(timeout=60)
        os.kill(process.pid, signal.SIGKILL)
        process.join()
        counts = build(*argv)
        whole = len(asked_for)
        assert build(*argv) == counts
        assert len(asked_for) == whole
    assert counts["rounds"] == [ENHANCED]
    assert sum(text == WRITE_SYSTEM for text in asked_for) in (3, 4)
    # 6 + 6 questions twice in two turns, 3 replies, 9 questions blind by two; and the episode, or
    # the one question, that was under way.
    assert 48 + 3 + 18 <= whole <= 48 + 3 + 18 + 2
    assert len(list(RunStore(asked.parent / "set/run").records())) == 24


@given(st.text(max_size=400), st.integers(1, 5))
def test_any_reply_is_read_without_an_error(text: str, count: int) -> None:
    reading = read_reply(text, count=count)
    assert len(reading.written) <= count
    assert all(value > 0 for value in reading.refused.values())


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("[" * 100_000, "not JSON"),
        ('{"question": "q?", "answer": "a"} {"question": "q?", "answer": "a"}', "not JSON"),
        ('["question", "answer"]', "not an object of question and answer"),
        ('{"question": "Who?"}', "not an object of question and answer"),
        ('{"question": 1, "answer": "a"}', "question or answer is no plain text"),
        ('{"question": "Who?", "answer": "\\ud800"}', "question or answer is no plain text"),
        ('{"question": "Who?\\u0000", "answer": "a"}', "question or answer is no plain text"),
        ('{"question": "Who? </answer>", "answer": "a"}', "question or answer is no plain text"),
        ('{"question": "", "answer": "a"}', "the question is empty or too long"),
        (json.dumps({"question": "w" * 301, "answer": "a"}), "the question is empty or too long"),
        ('{"question": "Who?", "answer": "..."}', "the answer is empty or too long"),
        (json.dumps({"question": "Who?", "answer": "a " * 13}), "the answer is empty or too long"),
        ('{"question": "Is it red paint?", "answer": "Red."}', "the question tells its answer"),
        ('{"question": ' + "9" * 5_000 + ', "answer": "a"}', "not JSON"),
    ],
)
def test_a_line_that_is_no_question_is_counted_by_its_reason(line: str, reason: str) -> None:
    reading = read_reply(line, count=3)
    assert reading.written == []
    assert reading.refused == {reason: 1}


def test_a_long_reply_is_read_to_its_limit() -> None:
    reading = read_reply("\n".join([row(3)] * (MAX_LINES + 5)), count=2)
    assert len(reading.written) == 2
    assert reading.refused == {
        "lines beyond the limit": 5,
        "more than was asked for": MAX_LINES - 2,
    }


def test_what_cannot_be_built_says_why(asked: Path, clips: Sequence[Path], tmp_path: Path) -> None:
    with OpenAIServer(policy) as server:
        with pytest.raises(EvaGraphError, match="give both, or neither"):
            build(*arguments(asked, clips, server, "--teacher", server.base_url))
        empty = tmp_path / "nothing"
        empty.mkdir()
        more = ("--unseen", str(empty), "--teacher", server.base_url)
        with pytest.raises(EvaGraphError, match="no video of any kind lies there"):
            build(*arguments(asked, clips, server, *more))
