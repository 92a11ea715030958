"""The look executor on a real clip: order, budgets as applied, errors as text, frames kept once."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from dialect_parts import block, parts_of

from eva_graph.dialects import Calls, EvaDialect, Malformed, NativeDialect
from eva_graph.look import LookExecutor, LookReply
from eva_graph.policy.protocol import NativeCall
from eva_graph.state import Spent
from eva_graph_tools import TOOLS, DecodeError, FrameStore, LookSettings, Tool, ToolOutput, Video

Make = Callable[..., LookExecutor]
WAIT_SECONDS = 60


def spent(turns: int = 1, **used: int) -> Spent:
    return Spent(
        turns=turns,
        frames=used.get("frames", 0),
        visual_tokens=used.get("visual_tokens", 0),
        context_tokens=used.get("context_tokens", 0),
    )


def play(executor: LookExecutor, text: str, before: Spent | None = None) -> LookReply:
    outcome = executor.read(text, message_id="t:1:assistant")
    assert isinstance(outcome, Calls | Malformed)
    return executor.respond(outcome, spent=before or spent(), message_id="t:1:tool")


def span(start: Any, end: Any, nframes: int, resize: float = 1.0) -> dict[str, Any]:
    return {"start_time": start, "end_time": end, "nframes": nframes, "resize": resize}


def seek(*times: Any) -> str:
    return block(*[{"time": time} for time in times], tool="seek")


def running(run: Callable[[Video, Any, LookSettings], ToolOutput]) -> dict[str, Tool]:
    """The `seek` tool with another way to decode."""
    return {"seek": replace(TOOLS["seek"], run=run)}


def test_one_look(executor: Make) -> None:
    reply = play(executor(), block(span(0, 8, 4, 0.5)))
    (result,) = reply.results
    assert result.error is None
    assert result.notes == ()
    assert result.applied == span(0.0, 8.0, 4, 0.5)
    assert [frame.pts_seconds for frame in result.frames] == [1.0, 3.0, 5.0, 7.0]
    assert result.requested_seconds == (1.0, 3.0, 5.0, 7.0)
    assert len(result.snapped) == 4
    (message,) = reply.messages
    assert (message.type, message.id) == ("tool", "t:1:tool")
    assert parts_of(message)[1:3] == ["Frame 0 at [00:01]: ", 1.0]
    assert reply.spent["frames"] == 4
    assert reply.spent["visual_tokens"] == result.visual_tokens == 16
    assert reply.spent["turns"] == 1
    assert reply.spent["context_tokens"] > 16
    assert reply.lost is None


def test_results_stand_in_call_order(executor: Make) -> None:
    reply = play(executor(), seek(7, 0, "00:03.4", 5))
    assert [result.call["arguments"]["time"] for result in reply.results] == [7, 0, "00:03.4", 5]
    assert [frame.pts_seconds for r in reply.results for frame in r.frames] == [7.0, 0.0, 3.4, 5.0]
    assert [part for part in parts_of(reply.messages[0]) if isinstance(part, float)] == [
        7.0,
        0.0,
        3.4,
        5.0,
    ]


def test_calls_of_one_turn_run_side_by_side(executor: Make) -> None:
    together = threading.Barrier(3)

    def run(video: Video, arguments: Any, settings: LookSettings) -> ToolOutput:
        together.wait(WAIT_SECONDS)  # breaks unless all three are here at once
        return TOOLS["seek"].run(video, arguments, settings)

    reply = play(executor(tools=running(run)), seek(1, 2, 3))
    assert [frame.pts_seconds for r in reply.results for frame in r.frames] == [1.0, 2.0, 3.0]


def test_a_slow_first_call_stays_first(executor: Make) -> None:
    second_is_done = threading.Event()

    def run(video: Video, arguments: Any, settings: LookSettings) -> ToolOutput:
        if arguments.time == 6:
            assert second_is_done.wait(WAIT_SECONDS)
        output = TOOLS["seek"].run(video, arguments, settings)
        second_is_done.set()
        return output

    reply = play(executor(tools=running(run)), seek(6, 2))
    assert [frame.pts_seconds for r in reply.results for frame in r.frames] == [6.0, 2.0]


def test_many_calls_in_one_turn(executor: Make) -> None:
    times = [index / 5 for index in range(40)]
    reply = play(executor(), seek(*times))
    assert [r.frames[0].pts_seconds for r in reply.results] == pytest.approx(times)


def test_what_was_applied_is_told_where_it_differs(executor: Make) -> None:
    reply = play(executor(look_budget=40), block(span(-3, 99, 30)))
    (result,) = reply.results
    assert result.call["arguments"] == span(-3, 99, 30), "the request is kept"
    assert result.applied is not None
    assert (result.applied["start_time"], result.applied["end_time"]) == (0.0, 8.0)
    assert result.applied["nframes"] < 30
    assert result.estimated_visual_tokens == result.visual_tokens <= 40
    assert [note.split()[0] for note in result.notes] == ["start_time", "end_time", "reduced"]
    first = parts_of(reply.messages[0])[0]
    assert first == "<tool_response>" + "".join(f"Note: {note}\n" for note in result.notes)


@pytest.mark.parametrize(
    ("text", "error"),
    [
        (block({"time": 3}, tool="watch"), "there is no tool 'watch', use frame_select, seek"),
        ("<tool_call>{</tool_call>", "the tool call is not valid JSON"),
        (block(span(9, 12, 3)), "frame_select: the range 9 to 12 is outside the video"),
        (block(span(5, 3, 3)), "frame_select: end_time must be after start_time"),
        (block(span(0, 3, 0)), "frame_select: nframes: input should be greater than or equal"),
        (block({"start_time": 0}), "frame_select: end_time is missing; nframes is missing"),
        (block({"time": 3, "zoom": 2}, tool="seek"), "zoom is not an argument of this tool"),
        (seek("soon"), "'soon' is not a time: give seconds (90.5) or [HH:]MM:SS[.mmm]"),
    ],
)
def test_a_refused_call_is_text_for_the_policy(executor: Make, text: str, error: str) -> None:
    reply = play(executor(), text)
    first = str(parts_of(reply.messages[0])[0])
    assert first.startswith("<tool_response>Error: ")
    assert error in first
    assert "\n" not in first
    assert reply.spent["frames"] == 0


def test_a_long_list_of_mistakes_stays_short(executor: Make) -> None:
    reply = play(executor(), block({f"argument_{n}": n for n in range(500)}))
    assert len(str(reply.results[0].error)) < 1000


def test_a_failing_tool_is_text_for_the_policy(executor: Make) -> None:
    def run(video: Video, arguments: Any, settings: LookSettings) -> ToolOutput:
        if arguments.time == 2:
            raise DecodeError("clip.mp4: nothing can be decoded at 2 s")
        return TOOLS["seek"].run(video, arguments, settings)

    reply = play(executor(tools=running(run)), seek(1, 2))
    assert [result.error for result in reply.results] == [
        None,
        "clip.mp4: nothing can be decoded at 2 s",
    ]
    assert reply.results[1].applied == {"time": 2.0, "resize": 1.0}
    assert reply.results[1].visual_tokens == 0
    assert parts_of(reply.messages[0])[0] == (
        "<tool_response>Error in call 2: clip.mp4: nothing can be decoded at 2 s\n"
    )
    assert reply.lost is None


def test_a_bug_crashes(executor: Make) -> None:
    def run(video: Video, arguments: Any, settings: LookSettings) -> ToolOutput:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        play(executor(tools=running(run)), seek(1, 2))


def test_only_offered_tools_run(executor: Make) -> None:
    reply = play(executor(tools={"seek": TOOLS["seek"]}), block(span(0, 8, 2)))
    assert reply.results[0].error == "there is no tool 'frame_select', use seek"


def test_a_frame_is_stored_once(executor: Make, frames: FrameStore) -> None:
    reply = play(executor(), seek(3, 3.1, 3) + block(span("00:03", 3, 1)))
    refs = [frame for result in reply.results for frame in result.frames]
    assert len(refs) == 4
    assert len(set(refs)) == 1
    assert [path.stem for path in frames.root.rglob("*.jpg")] == [refs[0].sha256]
    assert play(executor(), seek(3)).results[0].frames == (refs[0],)


def test_a_malformed_turn_shows_its_error(executor: Make) -> None:
    reply = play(executor(), "Let me think.", spent(turns=2))
    assert reply.results == ()
    assert reply.lost is None
    assert parts_of(reply.messages[0])[0] == (
        "<tool_response>Error: there is no tool call and no answer in this message; "
        'write one <tool_call>{"tool": …, "arguments": {…}}</tool_call> or one <answer>…</answer>'
    )
    assert reply.spent["turns"] == 2
    assert reply.spent["context_tokens"] > 0


def test_native_calls_get_a_message_each(executor: Make) -> None:
    native = executor(dialect=NativeDialect())
    calls = [
        NativeCall(id=call_id, name="seek", arguments=f'{{"time": {time}}}')
        for call_id, time in (("x", 5), ("y", 90), ("z", 1))
    ]
    outcome = native.read("I look.", message_id="t:1:assistant", native_calls=calls)
    assert isinstance(outcome, Calls)
    reply = native.respond(outcome, spent=spent(), message_id="t:1:tool")
    assert [parts_of(message)[:2] for message in reply.messages] == [
        ["Frame 0 at [00:05]: ", 5.0],
        ["Note: time 90 was clamped to 8\n", "Frame 1 at [00:07]: "],
        ["Frame 2 at [00:01]: ", 1.0],
    ]


def test_the_same_text_gives_the_same_message(executor: Make) -> None:
    text = seek(1, 2) + block(span(0, 8, 3))
    first, second = (play(executor(dialect=EvaDialect()), text) for _ in range(2))
    assert first.messages == second.messages
