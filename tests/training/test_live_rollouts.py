"""Episodes of the graph as rollouts: exact, compared with the model, played again where not."""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from PIL import ImageOps

from eva_graph import Context, VideoAgent
from eva_graph.dialects import Question
from eva_graph.errors import PolicyUnavailable
from eva_graph.policy.in_process import TransformersPolicy
from eva_graph.policy.processor import load_model, load_processor, visual_grid
from eva_graph.policy.protocol import Completion, PolicyInfo, PolicyRequest
from eva_graph.policy.resolve import EMBEDDED_FOLDER
from eva_graph.trajectory import RunStore
from eva_graph.videos import OpenVideos
from eva_graph_training.env import opening_messages
from eva_graph_training.errors import TrainingError
from eva_graph_training.export.frames import open_frame
from eva_graph_training.format import prepare_processor
from eva_graph_training.live.agreement import agreement
from eva_graph_training.live.exact import ExactRollouts
from eva_graph_training.live.playing import ATTEMPTS, GraphRollouts
from eva_graph_training.world.sets import WorldSetPlan, video_file, world_set

PLAN = WorldSetPlan(first_seed=83_000_000, short_videos=1, long_videos=0, events_per_short=0)


class LikeAServer:
    """nano in process that gives no image grids, as servers do, and fails where it is told to."""

    def __init__(self, failures: int = 0, *, respelled: bool = False) -> None:
        self._policy = TransformersPolicy(EMBEDDED_FOLDER, device="cpu")
        self._failures = failures
        self._respelled = respelled
        self._opening = 0

    @property
    def info(self) -> PolicyInfo:
        return self._policy.info

    def generate(self, request: PolicyRequest) -> Completion:
        if self._failures:
            self._failures -= 1
            raise PolicyUnavailable("the server is away")
        completion = replace(self._policy.generate(request), image_grids=None)
        ids = list(completion.prompt_token_ids or ())
        if len(request.messages) == 2:
            self._opening = len(ids)
        elif self._respelled:  # what was written first comes back as other ids
            ids[self._opening] += 1
            completion = replace(completion, prompt_token_ids=tuple(ids))
        return completion

    async def agenerate(self, request: PolicyRequest) -> Completion:
        return self.generate(request)


@pytest.fixture(scope="module")
def row(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    (task,) = world_set(PLAN)
    video = str(video_file(task, tmp_path_factory.mktemp("world")))
    question = task.questions[0]
    grid = visual_grid(load_processor(EMBEDDED_FOLDER))
    asked = Question(text=question.text)
    return {
        "prompt": opening_messages(video, asked, videos=OpenVideos(), grid=grid),
        "video": video, "question": question.text, "options": {}, "answer": question.answer,
        "question_id": "first", "time_reference": [[3.0, 4.0]], "subtitles": None,
    }  # fmt: skip


@pytest.fixture(scope="module")
def model() -> Any:
    return load_model(EMBEDDED_FOLDER)


def playing(policy: LikeAServer, run: Path, model: Any) -> GraphRollouts:
    processor = prepare_processor(load_processor(EMBEDDED_FOLDER))
    exact = ExactRollouts(RunStore(run), processor, model)
    context = Context(record=str(run), temperature=1.0, seed=5)
    return GraphRollouts(VideoAgent(policy), context, exact, concurrency=2)


def test_an_episode_is_an_exact_rollout_that_the_model_agrees_with(row, model, tmp_path):
    source = playing(LikeAServer(), tmp_path / "run", model)
    (rollout,) = source.rollouts([row], [0], 0)
    (record,) = RunStore(tmp_path / "run").records()
    sampled = [token for turn in record.turns for token in turn.tokens.token_ids]
    pairs = zip(rollout.completion_ids, rollout.policy_mask, strict=True)
    assert [token for token, own in pairs if own] == sampled
    assert len(rollout.image_grids) == len(rollout.frames) == record.usage.frames > 0
    assert rollout.attempt is not None
    assert rollout.attempt.reference.question_id == "first"
    assert rollout.attempt.reference.time_reference == ((3.0, 4.0),)
    assert (source.played, source.played_again.total()) == (1, 0)
    processor = prepare_processor(load_processor(EMBEDDED_FOLDER))
    same = agreement(model, processor, [rollout], temperature=1.0, precision=nullcontext)
    assert same.mean < 1e-4
    assert same.tokens == len(sampled)
    same.require(0.002, "here")
    hotter = agreement(model, processor, [rollout], temperature=1.5, precision=nullcontext)
    with pytest.raises(TrainingError, match="disagree after the push of step 3"):
        hotter.require(same.mean, "after the push of step 3")
    for number, frame in enumerate(rollout.frames):
        ImageOps.invert(open_frame(frame)).save(tmp_path / f"{number}.png")
    altered = [str(tmp_path / f"{number}.png") for number in range(len(rollout.frames))]
    blind = replace(rollout, frames=altered)
    turned = agreement(model, processor, [blind], temperature=1.0, precision=nullcontext)
    assert turned.mean > 10 * same.mean, "other frames, other log-probabilities"


def test_a_failed_episode_is_played_again_and_no_zero(row, model, tmp_path):
    source = playing(LikeAServer(failures=2), tmp_path / "run", model)
    (rollout,) = source.rollouts([row], [0], 0)
    assert rollout.attempt is not None
    assert rollout.attempt.stop_reason != "policy_error"
    assert source.played == 3
    assert source.played_again == {"the policy's server failed: the server is away": 2}


@pytest.mark.parametrize(
    ("policy", "reason"),
    [
        ({"failures": ATTEMPTS}, "the server is away"),
        ({"respelled": True}, "re-tokenised by the server"),
    ],
    ids=["failing", "respelled"],
)
def test_what_is_never_exact_stops_the_stage(row, model, policy, reason, tmp_path):
    source = playing(LikeAServer(**policy), tmp_path / "run", model)
    with pytest.raises(TrainingError, match=reason) as raised:
        source.rollouts([row], [0], 0)
    assert f"question first in {ATTEMPTS} attempts" in str(raised.value)
    assert source.played == ATTEMPTS


def test_another_template_at_the_server_is_named(row, model, tmp_path):
    source = playing(LikeAServer(), tmp_path / "run", model)
    other = [{"role": "user", "content": "Look."}]
    with pytest.raises(TrainingError, match="serve the model that the stage starts from"):
        source.rollouts([row | {"prompt": other}], [0], 0)
