"""The reference profile does what the released harness does, situation by situation.

Every situation (`situations` and the tables beside it) was played once by the released harness
itself (https://github.com/wangruohui/EfficientVideoAgent at 758ad8d, decord 0.6.0, torchcodec 0.13,
ffprobe 5.1) against `scripted_server`; `recorded/` keeps what it sent and how it ended. Here our
reference profile plays against the same server, over HTTP, and has to send the same messages, turn
by turn, with the same frames of the video under the same labels at the same sizes; it has to stop
for the same reason and score the same.

Not compared, because it differs for a reason (docs/evaluation.md says more):

* how an image travels: PNG files under `file://` there, JPEG bytes in `data:` URLs here; and its
  pixels, which another library scales. Which frame it shows is read from the picture;
* fields beside the messages: media uuids, `tool_call_id`, token ids and log-probabilities;
* how often a request is sent again, and in which plainer forms one that was refused;
* visual tokens of looks that failed or that nobody saw, and all counts where the harness raised;
* files of which decord delivers other pictures than the ones asked for: none are in the tables.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from parity.clips import clip_file
from parity.record import SETS
from parity.scripted_server import ScriptedServer
from parity.situations import Situation

from eva_graph import Context, StopReason, VideoAgent
from eva_graph.evaluation import load_questions, score
from eva_graph.policy.openai_compatible import OpenAIPolicy
from eva_graph.result import RunResult
from eva_graph.trajectory.schema import TurnRecord
from eva_graph_tools import FrameStore

RECORDED = Path(__file__).parent / "recorded"
LARGE_PICTURES = {
    "budget_enlargement_capped",
    "budget_every_call_has_its_own",
    "budget_just_kept",
    "budget_larger",
    "budget_one_huge_frame",
    "budget_short_side_capped",
}
"""Left to the slow tests: they decode for a second each."""
SITUATIONS = [
    pytest.param(
        name,
        one,
        id=f"{name}-{one.name}",
        marks=[pytest.mark.slow] * (one.name in LARGE_PICTURES),
    )
    for name, table in SETS.items()
    for one in table
]
REASONS = {
    StopReason.ANSWERED: "answer_found",
    StopReason.MAX_TURNS: "max_turns_exceeded",
    StopReason.NO_CALL: "no_answer_no_tool_call",
    StopReason.NO_VALID_CALL: "no_valid_tool_call",
}


@pytest.fixture(scope="module")
def recorded() -> dict[str, Any]:
    return {
        name: json.loads((RECORDED / f"{name}.json").read_text(encoding="utf-8")) for name in SETS
    }


@pytest.fixture(scope="module")
def server() -> Iterator[ScriptedServer]:
    every = [one for table in SETS.values() for one in table]
    with ScriptedServer({one.key: one.script for one in every}) as serving:
        yield serving


@pytest.fixture(scope="module")
def videos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("videos")


@pytest.fixture(scope="module")
def agent(server: ScriptedServer, tmp_path_factory: pytest.TempPathFactory) -> VideoAgent:
    return VideoAgent(
        policy=OpenAIPolicy(server.base_url, backoff_seconds=0.01),
        profile="reference",
        frames=FrameStore(tmp_path_factory.mktemp("frames")),
    )


@pytest.mark.parametrize(("table", "one"), SITUATIONS)
def test_same_messages_frames_stop_and_score(
    table: str,
    one: Situation,
    recorded: dict[str, Any],
    server: ScriptedServer,
    agent: VideoAgent,
    videos: Path,
    tmp_path: Path,
) -> None:
    expected = recorded[table][one.name]
    assert expected["situation"] == one.facts(), "the situation was changed: record it again"
    annotation = tmp_path / "annotations.jsonl"
    row = one.row(0, clip_file(one.clip, videos).name)
    annotation.write_text(json.dumps(row) + "\n", encoding="utf-8")
    (asked,) = load_questions("videomme", annotation, videos, profile="reference")
    result = agent.run(
        asked.video,
        asked.question,
        options=asked.asked_options or None,
        context=Context(max_turns=one.max_turns, look_budget=one.look_budget),
    )
    assert server.heard[one.key] == expected["requests"]
    told = {
        "stop_reason": stop_of(result),
        "answer": result.answer or "",
        "score": score(asked, result.answer, profile="reference").value,
    }
    assert told == {name: expected["result"][name] for name in told}
    if told["stop_reason"] != "exception":  # there the harness forgets what it had counted
        counted = counts_of(result, looks=told["stop_reason"] == "answer_found")
        assert counted == {name: expected["result"][name] for name in counted}


def stop_of(result: RunResult) -> str:
    """Our stop reason in the harness's words."""
    error = result.error or ""
    if result.stop_reason is StopReason.TOOL_ERROR:
        return "exception" if error.startswith("exception") else error
    if result.stop_reason in (StopReason.POLICY_ERROR, StopReason.CONTEXT_OVERFLOW):
        return "openai_bad_request" if "refused the request with 400" in error else "exception"
    return REASONS[result.stop_reason]


def counts_of(result: RunResult, *, looks: bool) -> dict[str, int]:
    """What the harness counts: rounds, tokens of the last request, visual tokens of its looks."""
    turns = result.trajectory.turns
    counts = {
        "num_rounds": len(turns),
        "total_tokens": _total_tokens(turns[-1]) if turns else 0,
    }
    if looks:
        calls = [call for turn in turns for call in turn.calls]
        counts["estimated_visual_tokens"] = sum(call.estimated_visual_tokens for call in calls)
    return counts


def _total_tokens(turn: TurnRecord) -> int:
    return (turn.prompt_tokens or 0) + (turn.completion_tokens or 0)
