"""An attempt tells the same of an episode of the graph and of a rollout of the environment, and a
rollout that ends anyhow but by an answer has none."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from episodes import QUESTION, TWO_LOOKS, answer, look, span

from eva_graph import Context, VideoAgent
from eva_graph.errors import TrajectoryError
from eva_graph.known import Reference
from eva_graph.limits import Limits
from eva_graph.state import StopReason
from eva_graph.testing import ScriptedPolicy, make_clip
from eva_graph.trajectory import RunStore
from eva_graph.videos import OpenVideos
from eva_graph_tools import FrameStore
from eva_graph_training.env import VideoEnvironment
from eva_graph_training.errors import DataError
from eva_graph_training.rewards.attempt import Attempt

Messages = list[dict[str, Any]]
KNOWN = Reference(expected="yellow", question_id="q1", time_reference=((3.0, 4.0),))


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_clip(tmp_path_factory.mktemp("clip") / "clip.mp4", seconds=8, size=(112, 84), fps=2)


@pytest.fixture
def environment(clip: Path, tmp_path: Path) -> VideoEnvironment:
    environment = VideoEnvironment(
        store=FrameStore(tmp_path / "frames"), videos=OpenVideos(), limits=Limits(max_turns=4)
    )
    environment.reset(
        video=str(clip), question=QUESTION, answer="yellow", time_reference=[(3.0, 4.0)],
        question_id="q1", prompt="passed over",
    )  # fmt: skip
    return environment


def rollout(environment: VideoEnvironment, *texts: str) -> Messages:
    """The messages of TRL's loop: each text but the last is a call that was run."""
    messages: Messages = []
    for text in texts[:-1]:
        shown = environment.turn(text, context_tokens=100)
        messages += [_called(text), {"role": "tool", "content": shown}]
    return [*messages, {"role": "assistant", "content": texts[-1]}]


def played_attempt(environment: VideoEnvironment, *texts: str) -> Attempt:
    messages = rollout(environment, *texts)
    return Attempt.of_rollout(environment.account, messages)


def _called(text: str) -> dict[str, Any]:
    call = {"type": "function", "function": {"name": "turn", "arguments": {"text": text}}}
    return {"role": "assistant", "content": text, "tool_calls": [call]}


def test_record_and_rollout_give_equal_attempts(
    environment: VideoEnvironment, clip: Path, tmp_path: Path
) -> None:
    script = [TWO_LOOKS[0], "<tool_call>{", *TWO_LOOKS[1:]]
    run = tmp_path / "run"
    context = Context(max_turns=4, reference=KNOWN)
    VideoAgent(ScriptedPolicy(script)).run(clip, QUESTION, record=run, context=context)
    store = RunStore(run)
    (record,) = store.records()
    recorded = Attempt.of_record(record, store.frames.read)
    played = played_attempt(environment, *script)
    for one in (recorded, played):
        assert (one.answer, one.stop_reason, one.turns) == ("yellow", StopReason.FORCED, 4)
        assert one.reference == KNOWN
        assert one.evidence == ((3.0, 3.0),)
        assert [each.turn for each in one.looks] == [1, 3]
        assert [frame.pts_seconds for frame in one.last_round] == [3.0]
        assert one.load_frame(one.last_round[0]).startswith(b"\xff\xd8")
    assert recorded.visual_tokens == played.visual_tokens > 0
    assert [each.frames for each in recorded.looks] == [each.frames for each in played.looks]
    assert played.looks[0].call.requested == span(0, 8, 2, 0.5)


def test_account_begins_anew_with_each_rollout(environment: VideoEnvironment, clip: Path) -> None:
    rollout(environment, *TWO_LOOKS)
    environment.reset(video=str(clip), question="Another?", options={"A": "yes", "B": "no"})
    attempt = played_attempt(environment, "<answer>B</answer>")
    assert (attempt.looks, attempt.visual_tokens, attempt.evidence) == ((), 0, ())
    assert attempt.question.options == {"A": "yes", "B": "no"}
    assert attempt.reference == Reference()
    assert (attempt.answer, attempt.stop_reason) == ("B", StopReason.ANSWERED)


CUT = {"finish_reason": "length"}
ENDINGS: Sequence[tuple[dict[str, Any], StopReason]] = [
    (_called(look(span(0, 2, 1))), StopReason.NO_ANSWER),
    ({"role": "assistant", "content": look(span(0, 2, 1))}, StopReason.NO_ANSWER),
    ({"role": "assistant", "content": "I saw nothing."}, StopReason.NO_ANSWER),
    ({"role": "assistant", "content": "<answer> </answer>"}, StopReason.NO_ANSWER),
    ({"role": "assistant", "content": ""}, StopReason.NO_ANSWER),
    ({"role": "assistant", "content": "<answer>yel", **CUT}, StopReason.TRUNCATED),
    ({"role": "assistant", "content": "Answer: B", **CUT}, StopReason.TRUNCATED),
    ({"role": "tool", "content": []}, StopReason.NO_ANSWER),
]


@pytest.mark.parametrize(("last", "reason"), ENDINGS)
def test_rollout_without_an_answer(
    environment: VideoEnvironment, last: dict[str, Any], reason: StopReason
) -> None:
    messages = rollout(environment, look(span(0, 4, 2)), "")
    attempt = Attempt.of_rollout(environment.account, [*messages[:-1], last])
    assert (attempt.answer, attempt.stop_reason, attempt.evidence) == (None, reason, ())
    assert len(attempt.looks) == 1


def test_empty_rollout_has_no_answer(environment: VideoEnvironment) -> None:
    attempt = Attempt.of_rollout(environment.account, [])
    assert (attempt.answer, attempt.turns, attempt.last_round) == (None, 0, ())


def test_look_that_the_policy_never_saw_does_not_count(environment: VideoEnvironment) -> None:
    """The trainer drops a reply that does not fit, after the environment has looked."""
    messages = rollout(environment, look(span(0, 2, 1)), look(span(0, 4, 2)), answer("yellow"))
    attempt = Attempt.of_rollout(environment.account, messages[:3])
    assert [each.turn for each in attempt.looks] == [1]
    assert attempt.answer is None


def test_parsed_content_is_refused(environment: VideoEnvironment) -> None:
    parsed = [{"role": "assistant", "content": [{"type": "text", "text": "B"}]}]
    with pytest.raises(DataError, match="prepare_processor"):
        Attempt.of_rollout(environment.account, parsed)


@pytest.mark.parametrize(
    "broken",
    [{"stop_reason": "tired"}, {"evidence": [{"start_seconds": 1.0}]},
     {"evidence": [{"start_seconds": "x", "end_seconds": 1}]}, {"time_reference": [(4.0, 3.0)]}],
)  # fmt: skip
def test_broken_record_is_one_line(clip: Path, tmp_path: Path, broken: dict[str, Any]) -> None:
    agent = VideoAgent(ScriptedPolicy(TWO_LOOKS))
    record = agent.run(clip, QUESTION, record=tmp_path / "run").trajectory
    with pytest.raises(TrajectoryError, match=f"record {record.trajectory_id}: "):
        Attempt.of_record(record.model_copy(update=broken), lambda ref: b"")
