"""nano served by a real vLLM plays the episodes that nano plays in process, and really looks."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image

from eva_graph import RunResult, VideoAgent
from eva_graph.blocks import frames_of
from eva_graph.policy.processor import load_model, load_processor
from eva_graph.policy.protocol import Completion, Policy, PolicyInfo, PolicyRequest
from eva_graph.policy.resolve import EMBEDDED_FOLDER
from eva_graph_training.world.questions import Question
from eva_graph_training.world.render import render
from eva_graph_training.world.schedule import World, make_world
from eva_graph_training.world.sets import WorldSetPlan, video_file, world_set

pytestmark = [pytest.mark.vllm, pytest.mark.timeout(1800)]

NEAR_TIE = 1e-3
QUESTIONS = 24
PLAN = WorldSetPlan(first_seed=80_000_000, short_videos=12, long_videos=1, times_per_long=4)


@dataclass
class Recorded:
    """A policy that remembers what it was asked and what it wrote."""

    policy: Policy
    calls: list[tuple[PolicyRequest, Completion]] = field(default_factory=list)

    @property
    def info(self) -> PolicyInfo:
        return self.policy.info

    def generate(self, request: PolicyRequest) -> Completion:
        completion = self.policy.generate(request)
        self.calls.append((request, completion))
        return completion

    async def agenerate(self, request: PolicyRequest) -> Completion:
        completion = await self.policy.agenerate(request)
        self.calls.append((request, completion))
        return completion


@pytest.fixture(scope="module")
def tasks(tmp_path_factory: pytest.TempPathFactory) -> list[tuple[Path, Question]]:
    folder = tmp_path_factory.mktemp("worlds")
    asked = ((task, question) for task in world_set(PLAN) for question in task.questions)
    return [(video_file(task, folder), question) for task, question in islice(asked, QUESTIONS)]


def test_the_same_transcripts_as_in_process(tasks, served, in_process):
    assert len(tasks) == QUESTIONS
    differing = []
    for video, question in tasks:
        here, there = Recorded(in_process), Recorded(served)
        result, other = (VideoAgent(policy=one).run(video, question.text) for one in (here, there))
        if transcript(result) == transcript(other):
            assert result.answer == other.answer
            continue
        gap = gap_where_they_part(here.calls, there.calls)
        print(f"\n{question.text!r} on {video.name}: top two within {gap:.2e} where they part")
        differing.append(gap)
    assert all(gap <= NEAR_TIE for gap in differing)
    assert len(differing) <= 1


def transcript(result: RunResult) -> list[tuple[Any, Any]]:
    """Role and content of every message: texts, and frames by hash."""
    messages = result.trajectory.messages
    return [(message["role"], message["content"]) for message in messages]


def gap_where_they_part(
    here: Sequence[tuple[PolicyRequest, Completion]],
    there: Sequence[tuple[PolicyRequest, Completion]],
) -> float:
    """Distance of the two best log-probabilities, in process, at the first differing token."""
    for (request, ours), (_, theirs) in zip(here, there, strict=False):
        if ours.token_ids != theirs.token_ids:
            assert ours.prompt_token_ids == theirs.prompt_token_ids
            pairs = zip(ours.token_ids, theirs.token_ids, strict=False)
            place = next(index for index, (one, other) in enumerate(pairs) if one != other)
            best = next_logprobs(request, ours.prompt_token_ids + ours.token_ids[:place])
            return float(best[0] - best[1])
    raise AssertionError("equal token ids made different transcripts")


def next_logprobs(request: PolicyRequest, ids: tuple[int, ...]) -> torch.Tensor:
    """Log-probabilities of the token after `ids`, best first."""
    processor, tokens = load_processor(EMBEDDED_FOLDER), torch.tensor([ids])
    inputs: dict[str, Any] = {"input_ids": tokens}
    refs = list(frames_of(request.messages))
    if refs:
        images = [Image.open(io.BytesIO(request.load_frame(ref))).convert("RGB") for ref in refs]
        inputs |= processor.image_processor(images=images, return_tensors="pt")
        inputs["mm_token_type_ids"] = (tokens == processor.image_token_id).int()
    with torch.inference_mode():
        logits = load_model(EMBEDDED_FOLDER)(**inputs).logits[0, -1]
    return torch.log_softmax(logits.float(), -1).sort(descending=True).values


def test_other_frames_give_another_answer(served, tmp_path):
    """The same question on two videos of one length that differ in what is shown then."""
    agent = VideoAgent(policy=served)
    changed = 0
    for seed in range(6):
        first, second = (make_world(81_000_000 + 2 * seed + part, 90) for part in (0, 1))
        question = f"What letter is on the sign at {differing_time(first, second)}?"
        answers = set()
        for part, world in enumerate((first, second)):
            path = tmp_path / f"{seed}-{part}.mp4"
            render(world, path)
            answers.add(agent.run(path, question).answer)
        changed += len(answers) == 2
    assert changed >= 5


def differing_time(first: World, second: World) -> str:
    """A whole second, off every change of cards, at which two worlds show different letters."""

    def steady(world: World, second_of: int) -> bool:
        return len({world.card_at(second_of + offset) for offset in (-1, 0, 1)}) == 1

    moment = next(
        time
        for time in range(20, 80)
        if steady(first, time)
        and steady(second, time)
        and first.card_at(time).letter != second.card_at(time).letter
    )
    return f"{moment // 60:02d}:{moment % 60:02d}"
