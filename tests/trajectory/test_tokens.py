"""Token data in the record: deltas between prompts, grids, log-probabilities, and their sums."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest
from episodes import QUESTION, TWO_LOOKS
from openai_server import OpenAIServer, Traits

from eva_graph import Trajectory, VideoAgent
from eva_graph.policy.openai_compatible import OpenAIPolicy
from eva_graph.policy.protocol import Completion, NativeCall
from eva_graph.testing import ScriptedPolicy
from eva_graph.trajectory.schema import TokenRecord
from eva_graph_tools import FrameStore

GRID = (1, 6, 8)


def said(turn: int, prompt: Sequence[int], sampled: Sequence[int], images: int) -> Completion:
    return Completion(
        text=TWO_LOOKS[turn - 1],
        prompt_tokens=len(prompt),
        completion_tokens=len(sampled),
        prompt_token_ids=tuple(prompt),
        token_ids=tuple(sampled),
        logprobs=tuple(-0.5 for _ in sampled),
        logprobs_kind="raw",
        image_grids=(GRID,) * images,
        requests=turn,
        seconds=1.0,
    )


def recorded(script: Sequence[Completion | str], clip: Path, frames: FrameStore) -> Trajectory:
    return VideoAgent(ScriptedPolicy(script), frames=frames).run(clip, QUESTION).trajectory


def tokens(trajectory: Trajectory) -> list[TokenRecord | None]:
    return [turn.tokens for turn in trajectory.turns]


def test_deltas_between_prompts(clip: Path, frames: FrameStore) -> None:
    first = said(1, [1, 2], [3, 4], 0)
    second = said(2, [1, 2, 3, 4, 5, 6], [7], 2)
    third = said(3, [1, 2, 3, 4, 5, 6, 7, 8], [9], 3)
    trajectory = recorded([first, second, third], clip, frames)
    kept = [each for each in tokens(trajectory) if each is not None]
    assert [each.prompt_delta_ids for each in kept] == [[1, 2], [5, 6], [8]]
    assert [each.token_ids for each in kept] == [[3, 4], [7], [9]]
    assert [each.image_grids for each in kept] == [[], [GRID, GRID], [GRID]]
    assert all(each.prefix_ok for each in kept)
    assert kept[0].logprobs == [-0.5, -0.5]
    whole = [i for each in kept for i in (*each.prompt_delta_ids, *each.token_ids)]
    assert third.prompt_token_ids is not None
    assert third.token_ids is not None
    assert whole == [*third.prompt_token_ids, *third.token_ids]


def test_a_prompt_that_does_not_continue(clip: Path, frames: FrameStore) -> None:
    second = said(2, [1, 2, 3, 99, 5, 6], [7], 2)
    third = said(3, [1, 2, 3, 99, 5, 6, 7, 8], [9], 3)
    kept = tokens(recorded([said(1, [1, 2], [3, 4], 0), second, third], clip, frames))
    assert kept[1] is not None
    assert not kept[1].prefix_ok
    assert kept[1].prompt_delta_ids == [1, 2, 3, 99, 5, 6]
    assert kept[1].image_grids == [GRID, GRID]
    assert kept[2] is not None
    assert kept[2].prefix_ok, "it continues the prompt that was kept whole"
    assert (kept[2].prompt_delta_ids, kept[2].image_grids) == ([8], [GRID])


def test_a_turn_whose_policy_gave_no_ids(clip: Path, frames: FrameStore) -> None:
    third = said(3, [1, 2, 3, 4, 5, 6, 7, 8], [9], 3)
    kept = tokens(recorded([said(1, [1, 2], [3, 4], 0), TWO_LOOKS[1], third], clip, frames))
    assert kept[1] is None
    assert kept[2] is not None
    assert kept[2].prompt_delta_ids == [5, 6, 7, 8]
    assert kept[2].image_grids == [GRID] * 3


def test_a_turn_that_is_only_a_native_call_keeps_its_ids(clip: Path, frames: FrameStore) -> None:
    call = NativeCall(id="c", name="seek", arguments='{"time": 3}')
    first = Completion(text="", tool_calls=(call,), prompt_token_ids=(1,), token_ids=(2,))
    policy = ScriptedPolicy([first, "<answer>red</answer>"])
    record = VideoAgent(policy, dialect="native", frames=frames).run(clip, QUESTION).trajectory
    assert record.turns[0].tokens is not None
    assert record.turns[0].spans == []


def test_sums(clip: Path, frames: FrameStore) -> None:
    script = [said(1, [1], [2], 0), said(2, [1, 2, 3], [4], 2), said(3, [1, 2, 3, 4], [5, 6], 3)]
    trajectory = recorded(script, clip, frames)
    usage = trajectory.usage
    assert (usage.policy_calls, usage.requests, usage.policy_seconds) == (3, 6, 3.0)
    assert (usage.prompt_tokens, usage.completion_tokens, usage.last_prompt_tokens) == (8, 4, 4)
    shown = [frame for turn in trajectory.turns for call in turn.calls for frame in call.frames]
    assert usage.frames == len(shown) == 3
    sizes = [(frame.ref["width"], frame.ref["height"]) for frame in shown]
    assert usage.visual_tokens == sum(w * h // 28**2 for w, h in sizes), "each frame once"


@pytest.mark.parametrize("offered", [True, False])
def test_ids_from_a_server(offered: bool, clip: Path, frames: FrameStore) -> None:
    with OpenAIServer(TWO_LOOKS, traits=Traits(token_ids=offered)) as server:
        agent = VideoAgent(OpenAIPolicy(server.base_url), frames=frames)
        trajectory = agent.run(clip, QUESTION).trajectory
    if not offered:
        assert tokens(trajectory) == [None, None, None]
        return
    for turn in trajectory.turns:
        assert turn.tokens is not None
        assert turn.tokens.prefix_ok
        assert bytes(turn.tokens.token_ids).decode().startswith(turn.text)
        assert turn.tokens.logprobs is not None
        assert len(turn.tokens.logprobs) == len(turn.tokens.token_ids)
