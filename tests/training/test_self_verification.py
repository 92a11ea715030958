"""The judge: what it is shown, that no look is judged twice, and what becomes of one that fails."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from episodes import answer, look, span
from openai_server import Fault, OpenAIServer, images_of

from eva_graph import Context, VideoAgent
from eva_graph.errors import PolicyError
from eva_graph.known import Reference
from eva_graph.policy.openai_compatible import OpenAIPolicy
from eva_graph.testing import Line, ScriptedPolicy, make_clip
from eva_graph.trajectory import RunStore
from eva_graph_training.recipe.settings import RewardSettings
from eva_graph_training.rewards.attempt import Attempt
from eva_graph_training.rewards.scoring import Scorer
from eva_graph_training.rewards.verification import SelfVerification

OPTIONS = {"A": "red", "B": "green", "C": "blue"}
PAPER = RewardSettings()
Play = Callable[..., Attempt]


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_clip(tmp_path_factory.mktemp("clip") / "clip.mp4", seconds=6, size=(112, 84), fps=2)


@pytest.fixture
def play(clip: Path, tmp_path: Path) -> Play:
    """Attempts at one question, with the given looks and answer."""

    def attempt(*looks: Any, says: str = "B", expected: str | None = "B") -> Attempt:
        run = tmp_path / str(len(list(tmp_path.iterdir())))
        context = Context(reference=Reference(expected=expected))
        agent = VideoAgent(ScriptedPolicy([*map(look, looks), answer(says)]), context=context)
        agent.run(clip, "Which colour is shown at 1 second?", options=OPTIONS, record=run)
        store = RunStore(run)
        (record,) = store.records()
        return Attempt.of_record(record, store.frames.read)

    return attempt


def rewards(judge: Any, attempts: Sequence[Attempt]) -> list[float | None]:
    scorer = Scorer(PAPER, judge)
    return [scorer.reward(terms) for terms in scorer.score(attempts)]


def test_judge_sees_question_and_last_round_alone(play: Play) -> None:
    shown = play(span(4, 5, 2), span(1, 1, 1))
    with OpenAIServer(["B"]) as server:
        assert rewards(OpenAIPolicy(server.base_url), [shown]) == [1.0]
    (body,) = server.requests
    assert body["temperature"] == 0.0
    sent = str([message["content"] for message in body["messages"]])
    assert "Frame at [00:01]" in sent
    assert "Which colour is shown at 1 second?" in sent
    assert "B. green" in sent
    assert "<answer>" not in sent
    (only,) = images_of(body)
    assert only[1] == shown.load_frame(shown.last_round[0])


def test_same_look_is_judged_once(play: Play) -> None:
    near, far = play(span(1, 1, 1)), play(span(4, 4, 1))
    judge = ScriptedPolicy(["B"])
    verification = SelfVerification(judge)
    assert verification.answers([near, far, near]) == ["B", "B", "B"]
    assert verification.answers([near, play(span(4, 4, 1))]) == ["B", "B"]
    assert len(judge.requests) == 2
    counts = verification.counts
    assert (counts.asked, counts.remembered, counts.failed) == (2, 3, 0)
    other = replace(near, question=replace(near.question, text="Another question?"))
    verification.answers([other])
    assert len(judge.requests) == 3


def test_only_right_answers_with_a_look_are_judged(play: Play) -> None:
    judge = ScriptedPolicy(["B"])
    attempts = [play(span(1, 1, 1), says="A"), play(says="B"), play(span(1, 1, 1), expected=None)]
    assert rewards(judge, attempts) == [0.05, 0.0, None]
    assert judge.requests == []


@pytest.mark.parametrize(
    ("says", "reward"),
    [("B", 1.0), ("<answer>B</answer>", 1.0), ("Reflection: A?\n<answer>b</answer>", 1.0),
     ("green", 1.0), ("A", 0.05), ("A or B", 0.05), ("I cannot tell.", 0.05), ("", 0.05)],
)  # fmt: skip
def test_judges_own_ways_to_answer(play: Play, says: str, reward: float) -> None:
    assert rewards(ScriptedPolicy([says]), [play(span(1, 1, 1))]) == [reward]


def test_failed_judge_leaves_an_attempt_without_reward(play: Play) -> None:
    """Not zero: every term is None, which takes the rollout out of its group's baseline."""
    first, second = play(span(1, 1, 1)), play(span(4, 4, 1))
    lines: list[Line] = [PolicyError("no answer"), "B", "B"]
    judge = ScriptedPolicy(lambda request: lines.pop(0))
    scorer = Scorer(PAPER, judge)
    assert scorer.score([first]) == [{"accuracy": None, "format": None}]
    assert scorer.verification is not None
    assert scorer.verification.counts.failed == 1
    again = [scorer.reward(terms) for terms in scorer.score([first, second])]
    assert again == [1.0, 1.0]
    assert scorer.verification.counts.failed == 1


def test_server_that_breaks_off_gives_no_verdict(play: Play) -> None:
    with OpenAIServer(["B"], faults=Fault.HTML) as server:
        judge = OpenAIPolicy(server.base_url, max_retries=0)
        assert rewards(judge, [play(span(1, 1, 1)), play(span(1, 1, 1), says="A")]) == [None, 0.05]


def test_judge_that_never_answers_stops_the_run(play: Play) -> None:
    one = play(span(1, 1, 1))
    dead = ScriptedPolicy(lambda request: PolicyError("connection refused"))
    verification = SelfVerification(dead)
    for _ in range(19):
        assert verification.answers([one]) == [None]
    with pytest.raises(PolicyError, match="20 times in a row: connection refused"):
        verification.answers([one])


def test_policy_that_failed_is_not_scored(play: Play, clip: Path, tmp_path: Path) -> None:
    failing = ScriptedPolicy([look(span(1, 1, 1)), PolicyError("the server is gone")])
    context = Context(reference=Reference(expected="B"))
    agent = VideoAgent(failing, context=context)
    result = agent.run(clip, "Which colour?", options=OPTIONS, record=tmp_path / "failed")
    failed = Attempt.of_record(result.trajectory, RunStore(tmp_path / "failed").frames.read)
    assert failed.looks
    assert rewards(ScriptedPolicy(["B"]), [failed]) == [None]
