"""What the reference profile writes, byte for byte, and how a turn of it ends on a real video."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from dialect_parts import block, failed, parts_of, put_within_budget, shown, video_info
from numbered_video import Recipe, number_of, render

from eva_graph.dialects import Calls, Question, ReferenceDialect
from eva_graph.dialects.reference import SampleLost
from eva_graph.limits import Limits
from eva_graph.look import LookExecutor, LookReply
from eva_graph.state import Spent
from eva_graph_tools import TOOLS, FrameStore, Video, VisualGrid

QUESTION = Question(text=" Which colour?\nA. red\nB. blue \n")
END = (
    "\nIf more information is needed, call the frame selection tool again.\n\n"
    "Question: Which colour?\nA. red\nB. blue</tool_response>"
)


def reply_parts(*results: Any) -> list[str | float]:
    (message,) = ReferenceDialect().reply(
        results, question=QUESTION, closing="continue", message_id="m"
    )
    assert message.type == "tool"
    return parts_of(message)


def test_system_text() -> None:
    text = ReferenceDialect().system_text(list(TOOLS.values()), VisualGrid(), 12_000)
    assert text == (
        "Use Frame Select Tool to Anlysis the video and generate an answer to the question."
    )


@pytest.mark.parametrize(
    ("claimed_seconds", "length"),
    [
        (0.2, 1),
        (1.49, 1),
        (1.5, 1),
        (2.49, 1),
        (2.5, 2),
        (100.49, 99),
        (100.5, 100),
        (3601.0, 3600),
    ],
)
def test_length_is_the_streams_less_half_a_second(claimed_seconds: float, length: int) -> None:
    info = video_info(duration_seconds=50, stream_duration_seconds=claimed_seconds)
    assert ReferenceDialect().user_text(QUESTION, info) == (
        f"Video Length: {length} seconds. Original video resolution: 720p. "
        "Which colour?\nA. red\nB. blue"
    )


def test_resolution_is_the_coded_short_side() -> None:
    info = video_info(size=(1024, 576), coded_size=(720, 576))
    assert "resolution: 576p. " in ReferenceDialect().user_text(QUESTION, info)
    info = video_info(size=(1080, 1920), coded_size=(1920, 1088))
    assert "resolution: 1088p. " in ReferenceDialect().user_text(QUESTION, info)


def test_tool_message() -> None:
    assert reply_parts(shown(3.0, 7.5, clock=(3, 8)), shown(66.5, clock=(6630,))) == [
        "<tool_response>",
        "Frame 0 at [00:03]: ",
        3.0,
        "\nFrame 1 at [00:08]: ",
        7.5,
        "\nFrame 2 at [110:30]: ",
        66.5,
        END,
    ]


@pytest.mark.parametrize(
    ("second", "label"),
    [(0, "00:00"), (59, "00:59"), (60, "01:00"), (6630, "110:30"), (-1, "-1:59"), (-60, "-1:00")],
)
def test_label(second: int, label: str) -> None:
    assert reply_parts(shown(0.0, clock=(second,)))[1] == f"Frame 0 at [{label}]: "


def test_failed_calls_leave_no_trace() -> None:
    assert reply_parts(failed("call_frame_select_failed"), shown(1.0, clock=(1,))) == [
        "<tool_response>",
        "Frame 0 at [00:01]: ",
        1.0,
        END,
    ]


def test_nothing_asks_for_the_answer() -> None:
    (message,) = ReferenceDialect().reply(
        [shown(1.0, clock=(1,))], question=QUESTION, closing="answer_now", message_id="m"
    )
    assert parts_of(message)[-1] == END


@pytest.fixture(scope="module")
def video(clip: Path) -> Iterator[Video]:
    with Video.open(clip) as opened:
        yield opened


@pytest.fixture
def play(video: Video, frames: FrameStore) -> Any:
    """Plays one turn; 8 seconds, 5 frames a second."""

    def respond(text: str) -> LookReply:
        executor = LookExecutor(
            video=video,
            dialect=ReferenceDialect(),
            question=QUESTION,
            store=frames,
            tools={"frame_select": TOOLS["frame_select"]},
            limits=Limits(forces_answer=False),
        )
        outcome = executor.read(text, message_id="m")
        assert isinstance(outcome, Calls)
        spent = Spent(turns=6, frames=0, visual_tokens=0, context_tokens=10**9)
        return executor.respond(outcome, spent=spent, message_id="t")

    return respond


def arguments(start: Any, end: Any, nframes: Any, resize: Any = 1.0) -> dict[str, Any]:
    return {"start_time": start, "end_time": end, "nframes": nframes, "resize": resize}


def test_one_frame_is_the_middle_but_labelled_as_the_start(play: Any) -> None:
    reply = play(block(arguments(2, 4, 1)))
    assert parts_of(reply.messages[0])[1:3] == ["Frame 0 at [00:02]: ", pytest.approx(3.0)]
    assert reply.results[0].clock == (2,)
    assert reply.forced is None, "nothing is ever forced"


def test_labels_follow_the_requested_range_frames_the_clamped_one(play: Any) -> None:
    texts = parts_of(play(block(arguments(4, 14, 3))).messages[0])
    assert texts[1::2][:3] == [
        "Frame 0 at [00:04]: ",
        "\nFrame 1 at [00:09]: ",
        "\nFrame 2 at [00:14]: ",
    ]
    assert texts[2:7:2] == [pytest.approx(4.0), pytest.approx(6.0), pytest.approx(7.8)]


def test_an_empty_range_becomes_the_whole_video(play: Any) -> None:
    texts = parts_of(play(block(arguments(6630, 6630, 2))).messages[0])
    assert texts[1:4:2] == ["Frame 0 at [110:30]: ", "\nFrame 1 at [110:30]: "]
    assert texts[2:5:2] == [pytest.approx(0.0), pytest.approx(7.8)]


def test_frames_are_repeated_where_there_are_fewer(play: Any) -> None:
    (result,) = play(block(arguments(1, 1.1, 4))).results
    assert len(result.frames) == 4
    assert {frame.pts_seconds for frame in result.frames} == {1.0}


def test_a_frame_may_have_a_side_of_one_pixel(play: Any) -> None:
    (result,) = play(block(arguments(0, 8, 2, 0.01))).results
    assert {(frame.width, frame.height) for frame in result.frames} == {(1, 1)}
    assert result.estimated_visual_tokens == 2


def test_one_failing_call_of_two_goes_on(play: Any) -> None:
    reply = play(block(arguments(0, 8, 2.5), arguments(0, 8, 2)))
    assert [result.error for result in reply.results] == ["call_frame_select_failed", None]
    assert reply.lost is None
    assert parts_of(reply.messages[0])[1] == "Frame 0 at [00:00]: "


def test_all_calls_failing_ends_the_sample(play: Any) -> None:
    reply = play(block(arguments(0, 8, 2.5), {"start_time": 0}))
    assert reply.lost == "call_frame_select_failed; no_start_or_end_time"
    assert [result.error for result in reply.results] == [
        "call_frame_select_failed",
        "no_start_or_end_time",
    ]


def test_times_as_text_lose_the_sample(play: Any) -> None:
    reply = play(block(arguments(0, 8, 2), arguments("00:01", "00:02", 2)))
    assert reply.lost is not None
    assert reply.lost.startswith("exception")


def test_each_call_has_the_whole_budget(play: Any) -> None:
    reply = play(block(*[arguments(0, 8, 4000, 0.01)] * 4))
    assert [len(result.frames) for result in reply.results] == [4000] * 4


@pytest.mark.parametrize(
    ("start", "end", "numbers"),
    [
        (0, 1, [0, 25]),
        (1, 2, [25, 50]),
        (2, 9, [50, 60]),
        (5, 6, [0, 60]),  # after the end: the whole video
    ],
)
def test_times_begin_with_the_first_frame(
    tmp_path: Path, start: float, end: float, numbers: list[int]
) -> None:
    recipe = Recipe(suffix="mp4", ticks=tuple(range(125, 186)))
    with Video.open(render(tmp_path / "offset.mp4", recipe).path) as late:
        assert late.info.start_offset_seconds == pytest.approx(5.0)
        look = put_within_budget(ReferenceDialect(), arguments(start, end, 2), info=late.info)
        taken = look.run(late, timeout_seconds=None, artifacts=None)
        assert [number_of(frame.to_numpy()) for frame in taken.frames] == numbers


def test_a_file_that_states_no_duration_loses_the_sample() -> None:
    info = replace(video_info(), stream_duration_seconds=None)
    with pytest.raises(SampleLost, match="exception: the file states no duration"):
        ReferenceDialect().user_text(QUESTION, info)
