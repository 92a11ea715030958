"""The KTO set: resampled, labelled, at its share; given runs stay as they are."""

from __future__ import annotations

import json
import os
import signal
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from data_sets import (
    SEED,
    asked_second,
    colour_rows,
    data_in_new_process,
    student,
    text_of,
    write_questions,
)
from datasets import load_dataset
from hypothesis import given
from hypothesis import strategies as st
from openai_server import OpenAIServer
from typer.testing import CliRunner

from eva_graph.errors import EvaGraphError
from eva_graph.testing import make_clip
from eva_graph.trajectory import RunStore
from eva_graph_training.data.command import app
from eva_graph_training.data.kto_choice import Mix, balanced, choose_sides, weighted
from eva_graph_training.errors import DataError

COUNTS = st.integers(0, 300)


@pytest.fixture(scope="module")
def two_clips(tmp_path_factory: pytest.TempPathFactory) -> Sequence[Path]:
    folder = tmp_path_factory.mktemp("clips")
    return [make_clip(folder / f"c{n}.mp4", seconds=8, size=(112, 84), fps=n) for n in (4, 5)]


@pytest.fixture
def asked(two_clips: Sequence[Path], tmp_path: Path) -> Path:
    rows = [row for clip in two_clips for row in colour_rows(clip, [1, 2, 3])]
    return write_questions(tmp_path / "q.jsonl", rows)


def arguments(asked: Path, clip: Path, server: OpenAIServer, *more: str) -> list[str]:
    return [
        "kto", str(asked), "--videos", str(clip.parent), "--policy", server.base_url,
        "--out", str(asked.parent / "set"), "--json", "--seed", str(SEED),
        "--set", "data.held_out_share=0.0", "--set", "data.attempts=3", *more,
    ]  # fmt: skip


def build(*argv: str) -> dict[str, Any]:
    done = CliRunner().invoke(app, list(argv), catch_exceptions=False)
    counts: dict[str, Any] = json.loads(done.stdout)
    return counts


def test_balanced_rows_hold_the_share_and_everything_else_is_counted(
    asked: Path, two_clips: Sequence[Path]
) -> None:
    with OpenAIServer(student) as server:
        counts = build(*arguments(asked, two_clips[0], server))
    assert counts == {
        "episodes": 18,
        "played": 18,
        "left_out": {"fit for neither side": 6, "more undesirable ones than the set takes": 2},
        "desirable": 6,
        "undesirable": 4,
        "share": 0.6,
        "rules": {"right_and_grounded": 6, "blind_guess": 4},
        "rules_of_all": {"right_and_grounded": 6, "blind_guess": 6},
        "questions_left_out": {},
    }
    out = asked.parent / "set"
    rows = load_dataset("parquet", data_files=str(out / "train/train.parquet"), split="train")
    assert sorted(rows["label"]) == [False] * 4 + [True] * 6
    card = (out / "README.md").read_text()
    assert "| blind_guess | 4 |" in card
    assert "| fit for neither side | 6 |" in card


def test_resampling_ends_when_the_size_is_reached(asked: Path, two_clips: Sequence[Path]) -> None:
    with OpenAIServer(student) as server:
        more = ("--set", "data.kto_episodes=4", "--workers", "1")
        counts = build(*arguments(asked, two_clips[0], server, *more))
    assert (counts["desirable"], counts["undesirable"]) == (3, 1)
    assert 4 <= counts["played"] < 18


def test_given_runs_are_labelled_in_copies_and_stay_as_they_are(
    asked: Path, two_clips: Sequence[Path], tmp_path: Path
) -> None:
    with OpenAIServer(student) as server:
        build(*arguments(asked, two_clips[0], server))
        requests = len(server.requests)
        run = asked.parent / "set/played"
        before = {record.trajectory_id: record.to_line() for record in RunStore(run).records()}
        recorded = ["kto", "--run", str(run), "--json", "--set", "data.held_out_share=0.0"]
        counts = build(*recorded, "--out", str(tmp_path / "balanced"))
        all_of_them = build(*recorded, "--out", str(tmp_path / "all"), "--mix", "weighted")
        assert len(server.requests) == requests
    assert (counts["desirable"], counts["undesirable"], counts["played"]) == (6, 4, 0)
    assert (all_of_them["desirable"], all_of_them["undesirable"]) == (6, 6)
    assert {r.trajectory_id: r.to_line() for r in RunStore(run).records()} == before


def test_a_judge_is_asked_once_an_episode_and_can_reject_a_right_answer(
    asked: Path, two_clips: Sequence[Path]
) -> None:
    verdicts = lambda body: "no" if asked_second(body) == 3 else "yes"  # noqa: E731
    with OpenAIServer(student) as server, OpenAIServer(verdicts) as judge:
        argv = arguments(asked, two_clips[0], server, "--judge", judge.base_url)
        counts = build(*argv)
        requests = len(judge.requests)
        again = build(*argv)
        assert len(judge.requests) == requests == 12  # of 18, 6 saw nothing
        assert all("Question:" in text_of(body["messages"][1]) for body in judge.requests)
    assert again == counts
    assert counts["rules_of_all"]["unsupported_answer"] == 2 * 2 + 6
    assert counts["rules_of_all"]["right_and_grounded"] == 4


@pytest.mark.slow
@pytest.mark.parametrize("requests", [4, 15, 30])
def test_a_killed_build_goes_on(asked: Path, two_clips: Sequence[Path], requests: int) -> None:
    seen = threading.Semaphore(0)
    heard: list[tuple[int, int]] = []

    def watched(body: dict[str, Any]) -> str:
        said = sum(message["role"] == "assistant" for message in body["messages"])
        if said == 0:
            heard.append((asked_second(body), body["seed"]))
        seen.release()
        return student(body)

    with OpenAIServer(watched) as server:
        argv = arguments(asked, two_clips[0], server, "--workers", "2")
        process = data_in_new_process(argv)
        for _ in range(requests):
            assert seen.acquire(timeout=60)
        os.kill(process.pid, signal.SIGKILL)
        process.join()
        counts = build(*argv)
    assert (counts["desirable"], counts["undesirable"], counts["played"]) == (6, 4, 18)
    assert 18 <= len(heard) <= 18 + 2  # two workers were under way
    assert {seed - SEED for _, seed in heard} == {0, 1, 2}


def test_what_cannot_be_built_says_why(
    asked: Path, two_clips: Sequence[Path], tmp_path: Path
) -> None:
    with pytest.raises(EvaGraphError, match="questions and --policy go together"):
        build("kto", str(asked), "--out", str(tmp_path / "a"))
    with pytest.raises(EvaGraphError, match="give --run, or questions"):
        build("kto", "--out", str(tmp_path / "a"))
    with OpenAIServer(lambda body: "<answer>beige</answer>") as server:
        with pytest.raises(DataError, match="0 desirable and 6 undesirable"):
            build(*arguments(asked, two_clips[0], server))
        with pytest.raises(DataError, match="begun with other settings"):
            build(*arguments(asked, two_clips[0], server, "--seed", "5"))


@given(desirable=COUNTS, undesirable=COUNTS, size=COUNTS, share=st.floats(0, 1))
def test_balanced_is_the_largest_set_that_holds_the_share(
    desirable: int, undesirable: int, size: int, share: float
) -> None:
    mine, others = balanced(desirable, undesirable, size=size, share=share)
    total = mine + others
    assert 0 <= mine <= desirable
    assert 0 <= others <= undesirable
    assert total <= size
    assert mine == round(total * share)
    larger = range(total + 1, size + 1)
    fits = [n for n in larger if round(n * share) <= desirable
            and n - round(n * share) <= undesirable]  # fmt: skip
    assert fits == []


@given(desirable=COUNTS, undesirable=COUNTS, size=COUNTS, share=st.floats(0, 1))
def test_weighted_leaves_nothing_out_below_its_size(
    desirable: int, undesirable: int, size: int, share: float
) -> None:
    mine, others = weighted(desirable, undesirable, size=size, share=share)
    assert mine + others == min(size, desirable + undesirable)
    assert 0 <= mine <= desirable
    assert 0 <= others <= undesirable


def test_the_choice_is_the_seeds_alone() -> None:
    ids = [f"t{n}" for n in range(50)]
    kinds = {"size": 20, "share": 0.5, "mix": Mix.BALANCED}
    one = choose_sides(ids[:25], ids[25:], seed=1, **kinds)
    assert one == choose_sides(ids[24::-1], ids[:24:-1], seed=1, **kinds)
    assert one != choose_sides(ids[:25], ids[25:], seed=2, **kinds)
