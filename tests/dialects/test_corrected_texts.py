"""What the corrected profile writes: opening, frames with true labels, notes, errors, closings."""

from __future__ import annotations

import pytest
from dialect_parts import block, failed, parts_of, shown, video_info

from eva_graph.dialects import Closing, EvaDialect, Question, ToolCall
from eva_graph.dialects.base import CallResult
from eva_graph_tools import TOOLS, VisualGrid

QUESTION = Question(text="Which colour?")
AGAIN = (
    "\nIf more information is needed, call the frame selection tool again.\n\n"
    "Question: Which colour?</tool_response>"
)
NOW = (
    "\nNo more looks are possible. Answer now inside <answer></answer>.\n\n"
    "Question: Which colour?</tool_response>"
)


def reply_parts(*results: CallResult, closing: Closing = "continue") -> list[str | float]:
    (message,) = EvaDialect().reply(results, question=QUESTION, closing=closing, message_id="m")
    assert (message.type, message.id) == ("tool", "m")
    return parts_of(message)


def test_system_text_is_the_released_one() -> None:
    text = EvaDialect().system_text(list(TOOLS.values()), VisualGrid(), 12_000)
    assert text == (
        "Use Frame Select Tool to Anlysis the video and generate an answer to the question."
    )


@pytest.mark.parametrize(
    ("duration_seconds", "size", "opening"),
    [
        (143.98, (1280, 720), "Video Length: 143 seconds. Original video resolution: 720p. "),
        (0.4, (84, 112), "Video Length: 1 seconds. Original video resolution: 84p. "),
        (3600.0, (640, 640), "Video Length: 3600 seconds. Original video resolution: 640p. "),
    ],
)
def test_user_text(duration_seconds: float, size: tuple[int, int], opening: str) -> None:
    info = video_info(
        duration_seconds=duration_seconds,
        size=size,
        coded_size=(1920, 1080),
        stream_duration_seconds=1e6,
    )
    assert EvaDialect().user_text(QUESTION, info) == f"{opening}Which colour?"


def test_options_follow_the_question() -> None:
    question = Question(text=" Which colour?\n", options={"A": "red", "B": "blue"})
    assert (
        EvaDialect()
        .user_text(question, video_info())
        .endswith(
            "720p. Which colour?\nA. red\nB. blue\n"
            "Answer with the option's letter from the given choices directly."
        )
    )


def test_frames_are_numbered_across_calls_and_labelled_with_true_times() -> None:
    assert reply_parts(shown(3.24, 7.5), shown(6630.9)) == [
        "<tool_response>",
        "Frame 0 at [00:03]: ",
        3.24,
        "\nFrame 1 at [00:07]: ",
        7.5,
        "\nFrame 2 at [110:30]: ",
        6630.9,
        AGAIN,
    ]


def test_labels_have_milliseconds_where_seconds_do_not_tell_frames_apart() -> None:
    assert reply_parts(shown(3.2, 61.04), shown(3.9))[1:6:2] == [
        "Frame 0 at [00:03.200]: ",
        "\nFrame 1 at [01:01.040]: ",
        "\nFrame 2 at [00:03.900]: ",
    ]


def test_notes_and_errors_stand_before_the_frames() -> None:
    assert reply_parts(shown(1.0, notes=("end_time 90 was clamped to 60",)))[0] == (
        "<tool_response>Note: end_time 90 was clamped to 60\n"
    )
    results = shown(1.0, notes=("one", "two")), failed("no such range")
    assert reply_parts(*results)[0] == (
        "<tool_response>Note in call 1: one\nNote in call 1: two\nError in call 2: no such range\n"
    )


def test_only_errors() -> None:
    assert reply_parts(failed("no such range")) == [
        "<tool_response>Error: no such range",
        AGAIN,
    ]


def test_the_last_permitted_look_asks_for_the_answer() -> None:
    assert reply_parts(shown(1.0), closing="answer_now")[-1] == NOW


@pytest.mark.parametrize(("closing", "end"), [("continue", AGAIN), ("answer_now", NOW)])
def test_a_malformed_turn_is_told_its_error(closing: Closing, end: str) -> None:
    (message,) = EvaDialect().complain(
        "the tool call is empty", call_ids=(), question=QUESTION, closing=closing, message_id="m"
    )
    assert (message.type, message.id) == ("tool", "m")
    assert parts_of(message) == ["<tool_response>Error: the tool call is empty", end]


def test_the_assistant_message_is_the_raw_text() -> None:
    text = f"Summary: x\n{block({'start_time': 0})}"
    message = EvaDialect().assistant(text, (), "m")
    assert (message.type, message.content, message.id) == ("ai", text, "m")
    assert not getattr(message, "tool_calls", None)


def edited(text: str) -> str:
    calls = [
        ToolCall(id="1", tool="frame_select", arguments={"start_time": 0, "end_time": "00:03"}),
        ToolCall(id="2", tool="seek", arguments={"time": 2, "why": "é"}),
    ]
    return EvaDialect().with_calls(text, calls)


BLOCK = (
    '<tool_call>{"tool": "frame_select", "arguments": {"start_time": 0, "end_time": "00:03"}}\n'
    '{"tool": "seek", "arguments": {"time": 2, "why": "é"}}</tool_call>'
)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Plan: x\n<tool_call>{}</tool_call>", f"Plan: x\n{BLOCK}"),
        ("Plan: x\n<tool_call>{}", f"Plan: x\n{BLOCK}"),
        ("a<tool_call>1</tool_call>b <tool_call>2</tool_call>", f"ab\n{BLOCK}"),
        ("<tool_call>{}</tool_call>", BLOCK),
        ("", BLOCK),
    ],
)
def test_an_edit_replaces_every_block(text: str, expected: str) -> None:
    assert edited(text) == expected


def test_an_edit_keeps_backslashes() -> None:
    assert edited(r"Plan: \1 \n") == f"Plan: \\1 \\n\n{BLOCK}"


def test_instructions() -> None:
    text = EvaDialect(instructions=True).system_text(
        [TOOLS["frame_select"]], VisualGrid(patch_pixels=32), 8000
    )
    assert text == INSTRUCTIONS
    assert EvaDialect(instructions=True).default_tools is None
    assert EvaDialect().default_tools == ("frame_select",)


def test_instructions_name_what_may_be_left_out() -> None:
    text = EvaDialect(instructions=True).system_text(list(TOOLS.values()), VisualGrid(), 8000)
    assert "    query (optional): " in text
    assert "    time (optional): " in text
    assert "default None" not in text


INSTRUCTIONS = """\
You answer a question about a video. You cannot see the video: you look at it with tools, and you \
plan before you look. At first you know only its length and resolution.

Every turn you write these parts, each on its own line, in this order:
Reflection: what the last look showed, and whether it is enough to answer (not in the first turn).
Summary: everything known so far.
Plan: numbered candidate looks, each as {"tool": …, "arguments": {…}} = N visual tokens; what it \
should show. Then a line `Choice: 1` with the number of the candidate you take, or several numbers.
Then <tool_call>{"tool": …, "arguments": {…}}</tool_call> with what you chose.

When you have seen enough, write the Reflection and then the answer inside <answer></answer>: only \
the option's letter where there are options, else a few words.

Cost: one frame of a WxH pixel video at resize r costs about (W*r/32) * (H*r/32) visual tokens. A \
look may cost at most 8000; a larger one is reduced. Look coarsely at long ranges (small resize), \
closely at short ones. Times are seconds or [HH:]MM:SS. Frame labels such as [01:30] are true \
times of the video.

Tools:
- frame_select: Shows frames spread evenly over a time range of the video, in order of time. Use \
few frames at a small resize to scan, more frames or a larger resize to look closely.
    start_time (required): Start of the range: seconds or [HH:]MM:SS[.mmm].
    end_time (required): End of the range: seconds or [HH:]MM:SS[.mmm].
    nframes (required): How many frames to show, spread over the range.
    resize (default 1.0): Scale factor on both sides of the picture; 1.0 is full detail, 0.5 costs \
a quarter of the visual tokens.

Example of a first turn:
Summary: The video is 600 seconds long, 1280x720 pixels; nothing seen yet.
Plan:
1. {"tool": "frame_select", "arguments": {"start_time": 0, "end_time": 600, "nframes": 30, \
"resize": 0.2}} = 960 visual tokens; find the scene
2. {"tool": "frame_select", "arguments": {"start_time": 0, "end_time": 600, "nframes": 60, \
"resize": 0.5}} = 13200 visual tokens; more detail than a first scan needs
Choice: 1
<tool_call>{"tool": "frame_select", "arguments": {"start_time": 0, "end_time": 600, "nframes": 30, \
"resize": 0.2}}</tool_call>"""
