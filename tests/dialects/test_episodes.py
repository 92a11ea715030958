"""Whole episodes on a real clip, as the policy reads them: every word of both profiles."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

import pytest
from dialect_parts import block, parts_of

from eva_graph import Context, RunResult, StopReason, VideoAgent
from eva_graph.testing import ScriptedPolicy
from eva_graph_tools import FrameStore

QUESTION = "Which colour comes last?"
SYSTEM = "Use Frame Select Tool to Anlysis the video and generate an answer to the question."
AGAIN = "\nIf more information is needed, call the frame selection tool again.\n\n"
NOTHING = (
    "there is no tool call and no answer in this message; write one "
    '<tool_call>{"tool": …, "arguments": {…}}</tool_call> or one <answer>…</answer>'
)
END = f"Question: {QUESTION}</tool_response>"


def span(start: Any, end: Any, nframes: Any, resize: float = 1.0) -> dict[str, Any]:
    return {"start_time": start, "end_time": end, "nframes": nframes, "resize": resize}


class Episode:
    """Plays scripts on the clip of eight seconds, five frames a second, 112 x 84 pixels."""

    def __init__(self, clip: Path, frames: FrameStore) -> None:
        self.clip, self.frames = clip, frames
        self.heard: list[list[str | float]] = []

    def play(
        self, *lines: str, profile: Literal["corrected", "reference"], **knobs: Any
    ) -> RunResult:
        policy = ScriptedPolicy(lines)
        agent = VideoAgent(
            policy=policy, profile=profile, frames=self.frames, context=Context(**knobs)
        )
        result = agent.run(self.clip, QUESTION)
        self.heard = [parts_of(message) for message in policy.requests[-1].messages]
        return result


@pytest.fixture
def episode(clip: Path, frames: FrameStore) -> Episode:
    return Episode(clip, frames)


SCAN = f"I look.\n{block(span(4, 14, 2))}"
CLOSE = block(span(6.9, 7.1, 2), span(7.5, 7.6, 1, 0.3))


def test_reference(episode: Episode) -> None:
    result = episode.play(SCAN, CLOSE, "Answer: B", profile="reference")
    assert (result.answer, result.stop_reason) == ("B", StopReason.ANSWERED)
    assert episode.heard == [
        [SYSTEM],
        [f"Video Length: 7 seconds. Original video resolution: 84p. {QUESTION}"],
        [SCAN],
        [
            "<tool_response>",
            "Frame 0 at [00:04]: ",
            pytest.approx(4.0),
            "\nFrame 1 at [00:14]: ",
            pytest.approx(7.8),
            AGAIN + END,
        ],
        [CLOSE],
        [
            "<tool_response>",
            "Frame 0 at [00:06]: ",
            pytest.approx(6.8),  # round(34.5) is 34: halves go to even
            "\nFrame 1 at [00:07]: ",
            pytest.approx(7.0),
            "\nFrame 2 at [00:07]: ",
            pytest.approx(7.6),
            AGAIN + END,
        ],
    ]


def test_corrected(episode: Episode) -> None:
    result = episode.play(
        SCAN, "Hm.", CLOSE, "<answer>B</answer>", profile="corrected", max_turns=4
    )
    assert (result.answer, result.stop_reason) == ("B", StopReason.FORCED)
    assert episode.heard == [
        [SYSTEM],
        [f"Video Length: 8 seconds. Original video resolution: 84p. {QUESTION}"],
        [SCAN],
        [
            "<tool_response>Note: end_time 14 was clamped to 8\n",
            "Frame 0 at [00:05]: ",
            pytest.approx(5.0),
            "\nFrame 1 at [00:07]: ",
            pytest.approx(7.0),
            AGAIN + END,
        ],
        ["Hm."],
        [
            f"<tool_response>Error: {NOTHING}",
            AGAIN + END,
        ],
        [CLOSE],
        [
            "<tool_response>",
            "Frame 0 at [00:06.800]: ",
            pytest.approx(6.8),
            "\nFrame 1 at [00:07.000]: ",
            pytest.approx(7.0),
            "\nFrame 2 at [00:07.400]: ",
            pytest.approx(7.4),
            "\nNo more looks are possible. Answer now inside <answer></answer>.\n\n" + END,
        ],
    ]


def test_reference_goes_on_where_one_of_two_calls_fails(episode: Episode) -> None:
    turn = block(span(0, 8, 2.5), span(0, 8, 1))
    result = episode.play(turn, "<answer>B</answer>", profile="reference")
    assert result.stop_reason is StopReason.ANSWERED
    assert episode.heard[-1][:2] == ["<tool_response>", "Frame 0 at [00:00]: "]


@pytest.mark.parametrize(
    "turn",
    [
        block(span(0, 8, 2.5)),  # a number of frames that is not whole voids the call
        block(span(0, 8, 2.5), {"start_time": 0}),
        block(span("00:00", "00:08", 2)),  # times as text lose the sample
        block(span(0, 8, 2), span("00:00", "00:08", 2)),
    ],
)
def test_reference_ends_where_nothing_can_be_shown(episode: Episode, turn: str) -> None:
    result = episode.play(turn, "<answer>B</answer>", profile="reference")
    assert (result.answer, result.stop_reason) == (None, StopReason.TOOL_ERROR)


@pytest.mark.parametrize("profile", ["corrected", "reference"])
def test_an_answer_beats_a_call(
    episode: Episode, profile: Literal["corrected", "reference"]
) -> None:
    result = episode.play(f"{SCAN}<answer>C</answer>", profile=profile)
    assert (result.answer, result.stop_reason) == ("C", StopReason.ANSWERED)
    assert result.usage.frames == 0
