"""TRL's reward functions: one scoring a batch, names, weights, the log; and recorded runs."""

from __future__ import annotations

import json
import subprocess
import sys
from collections import defaultdict
from pathlib import Path
from typing import Any

import pytest
from episodes import QUESTION, TWO_LOOKS, answer, look, span

from eva_graph import Context, VideoAgent
from eva_graph.errors import PolicyError
from eva_graph.known import Reference
from eva_graph.testing import ScriptedPolicy, make_clip
from eva_graph.trajectory import RunStore
from eva_graph_training.errors import DataError
from eva_graph_training.recipe.settings import RewardSettings
from eva_graph_training.rewards.attempt import Attempt
from eva_graph_training.rewards.functions import reward_functions
from eva_graph_training.rewards.recorded import reward_run
from eva_graph_training.rewards.scoring import Scorer

OPTIONS = {"A": "red", "B": "yellow"}
PLAIN = RewardSettings(self_verification=False)
SCRIPTS = {
    "right": ([*TWO_LOOKS[:2], answer("B")], "B"),
    "wrong": ([look(span(0, 4, 2)), answer("A")], "B"),
    "blind": ([answer("A")], "B"),
    "unknown": ([answer("B")], None),
}


@pytest.fixture
def run(tmp_path: Path) -> Path:
    clip = make_clip(tmp_path / "clip.mp4", seconds=6, size=(112, 84), fps=2)
    for name, (script, expected) in SCRIPTS.items():
        context = Context(reference=Reference(expected=expected, question_id=name))
        VideoAgent(ScriptedPolicy(script), context=context).run(
            clip, QUESTION, options=OPTIONS, record=tmp_path / "run"
        )
    return tmp_path / "run"


@pytest.fixture
def attempts(run: Path) -> list[Attempt]:
    store = RunStore(run)
    return [Attempt.of_record(record, store.frames.read) for record in store.records()]


def test_functions_score_a_batch_once(attempts: list[Attempt]) -> None:
    judge = ScriptedPolicy(["B"])
    rewards = reward_functions(RewardSettings(repeat_weight=0.2), judge)
    assert [function.__name__ for function in rewards.functions] == ["accuracy", "format", "repeat"]
    assert rewards.weights == [1.0, 1.0, 0.2]
    metrics: dict[str, list[float]] = defaultdict(list)
    columns: dict[str, list[Any]] = {}
    completions = [[{"role": "assistant", "content": "…"}]] * 4
    given = {
        "attempt": attempts, "log_extra": columns.__setitem__,
        "log_metric": lambda name, value: metrics[name].append(value),
    }  # fmt: skip
    values = [function(completions, **given) for function in rewards.functions]
    assert values == [[1.0, 0.0, 0.0, None], [0.0, 0.05, 0.0, None], [0.0, 0.0, 0.0, None]]
    assert metrics == {
        "attempts/unscored": [0.25], "attempts/blind": [0.5], "answers/most_common": [0.5],
        "judge/asked": [1.0], "judge/remembered": [0.0], "judge/failed": [0.0],
    }  # fmt: skip
    assert columns["answer"] == ["B", "A", "A", "B"]
    assert columns["stop_reason"] == ["answered"] * 4
    (function, *_) = rewards.functions
    assert function(list(completions), **given) == values[0]
    assert metrics["judge/remembered"] == [0.0, 1.0]


@pytest.mark.parametrize("columns", [{"answer": ["B"]}, {"attempt": [None]}])
def test_text_alone_cannot_be_rewarded(columns: dict[str, Any]) -> None:
    (function, _) = reward_functions(PLAIN).functions
    with pytest.raises(DataError, match="environment_factory"):
        function([[{"role": "assistant", "content": "<answer>B</answer>"}]], **columns)


def test_rewards_are_written_into_records(run: Path) -> None:
    report = reward_run(RunStore(run), Scorer(PLAIN))
    assert (report.episodes, report.scored) == (4, 3)
    assert report.to_json()["reward"] == pytest.approx((1 + 0.05 + 0) / 3)
    assert report.to_json()["terms"]["accuracy"] == pytest.approx(1 / 3)
    rewards = {record.question_id: record.reward for record in RunStore(run).records()}
    assert rewards == {"right": 1.0, "wrong": 0.05, "blind": 0.0, "unknown": None}


def test_run_is_amended_only_where_a_reward_changes(run: Path) -> None:
    store = RunStore(run)
    assert reward_run(store, Scorer(PLAIN), write=False).scored == 3
    assert all(record.reward is None for record in store.records())
    given = [record.model_copy(update={"reward": 0.7}) for record in store.records()]
    store.amend(given)
    reward_run(RunStore(run), Scorer(PLAIN))
    first = {record.question_id: record.amended for record in RunStore(run).records()}
    kept = {record.question_id: record.reward for record in RunStore(run).records()}
    assert kept["unknown"] == 0.7  # somebody else's: ours has nothing to say
    reward_run(RunStore(run), Scorer(PLAIN))
    assert {r.question_id: r.amended for r in RunStore(run).records()} == first


def test_failed_judge_keeps_the_recorded_reward(run: Path) -> None:
    failing = ScriptedPolicy(lambda request: PolicyError("down"))
    report = reward_run(RunStore(run), Scorer(RewardSettings(), failing))
    assert (report.scored, report.judge_failed) == (2, 1)
    assert "the judge failed at 1 looks" in report.summary()


def command(*arguments: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "eva_graph.cli", "label", *map(str, arguments)],
        capture_output=True, text=True,
    )  # fmt: skip


def test_command_labels_and_rewards(run: Path, tmp_path: Path) -> None:
    done = command(run, "--rewards", "nano-cpu", "--json")
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert told["episodes"] == 4
    assert told["rewards"]["scored"] == 3
    labelled = {record.question_id: record for record in RunStore(run).records()}
    assert labelled["right"].reward == 1.0
    assert labelled["blind"].labels == ["blind_guess"]
    refused = command(run, "--rewards", tmp_path / "no.yaml")
    assert refused.returncode != 0
    assert refused.stderr.count("\n") == 1
