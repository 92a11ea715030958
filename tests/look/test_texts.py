"""Looks that give text and files: told before the frames, held to the context, kept."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from dialect_parts import block, parts_of

from eva_graph.dialects import Calls, NativeDialect
from eva_graph.limits import Limits, estimate_tokens
from eva_graph.look import LookExecutor, LookReply
from eva_graph.look_run import held_to
from eva_graph.policy.protocol import NativeCall
from eva_graph.state import Spent
from eva_graph_tools import TOOLS, Artifact, LookSettings, Tool, ToolOutput, Video

Make = Callable[..., LookExecutor]
NOTHING = Spent(turns=1, frames=0, visual_tokens=0, context_tokens=100)


def telling(text: str, *, made: tuple[Artifact, ...] = ()) -> dict[str, Tool]:
    """The `seek` tool that also tells a text, and names the files it made."""

    def run(video: Video, arguments: Any, settings: LookSettings) -> ToolOutput:
        frames = TOOLS["seek"].run(video, arguments, settings).frames
        return ToolOutput(frames=frames, text=text, artifacts=made)

    return {"seek": replace(TOOLS["seek"], run=run, text_tokens=len(text) // 3 + 1)}


def silent(text: str) -> dict[str, Tool]:
    """A tool that shows no frame."""

    def run(video: Video, arguments: Any, settings: LookSettings) -> ToolOutput:
        return ToolOutput(text=text)

    def estimate(*_: Any) -> int:
        return 0

    tool = replace(TOOLS["seek"], run=run, estimate=estimate, text_tokens=len(text) // 3 + 1)
    return {"seek": tool}


def play(executor: LookExecutor, *times: float) -> LookReply:
    text = block(*[{"time": time} for time in times], tool="seek")
    outcome = executor.read(text, message_id="t:1:assistant")
    assert isinstance(outcome, Calls)
    return executor.respond(outcome, spent=NOTHING, message_id="t:1:tool")


def test_text_stands_before_the_frames(executor: Make) -> None:
    reply = play(executor(tools=telling("two lines\nof text")), 3)
    parts = parts_of(reply.messages[0])
    assert parts[:3] == ["<tool_response>two lines\nof text\n", "Frame 0 at [00:03]: ", 3.0]
    assert reply.results[0].text == "two lines\nof text"


def test_texts_of_several_calls_are_told_apart(executor: Make) -> None:
    reply = play(executor(tools=telling("some text")), 3, 99)
    first = str(parts_of(reply.messages[0])[0])
    assert first == (
        "<tool_response>Call 1:\nsome text\nNote in call 2: time 99 was clamped to 8\n"
        "Call 2:\nsome text\n"
    )


def test_a_look_without_frames(executor: Make) -> None:
    reply = play(executor(tools=silent("only text")), 3)
    parts = parts_of(reply.messages[0])
    assert parts[0] == "<tool_response>only text"
    assert str(parts[1]).startswith("\nIf more information is needed")
    assert reply.spent["frames"] == reply.spent["visual_tokens"] == 0


def test_native_answers_every_call_with_its_text(executor: Make) -> None:
    made = executor(dialect=NativeDialect(), tools=silent("only text"))
    calls = [NativeCall(id=name, name="seek", arguments='{"time": 1}') for name in "ab"]
    outcome = made.read("", message_id="t:1:assistant", native_calls=calls)
    assert isinstance(outcome, Calls)
    reply = made.respond(outcome, spent=NOTHING, message_id="t:1:tool")
    assert [parts_of(message)[0] for message in reply.messages] == ["only text\n"] * 2


def test_files_are_in_the_result_and_never_in_the_message(executor: Make, tmp_path: Path) -> None:
    file = Artifact(
        path=tmp_path / "cut.mp4", media_type="video/mp4", start_seconds=1, end_seconds=2
    )
    reply = play(executor(tools=telling("a clip", made=(file,))), 3)
    assert reply.results[0].artifacts == (file,)
    assert str(tmp_path) not in str(reply.messages)


def test_the_same_look_is_remembered_with_its_text(executor: Make) -> None:
    made = executor(tools=telling("some text"))
    first, again = play(made, 2.2), play(made, 2.2)
    assert [reply.results[0].cached for reply in (first, again)] == [False, True]
    assert again.messages == first.messages


@pytest.mark.parametrize("context_tokens", [900, 1_500, 3_000])
def test_text_is_held_to_the_context(executor: Make, context_tokens: int) -> None:
    text = "\n".join(f"line {number} of a long transcript" for number in range(400))
    limits = Limits(context_tokens=context_tokens)
    reply = play(executor(tools=silent(text), context_tokens=context_tokens), 1)
    told = reply.results[0].text
    kept = told.count("of a long transcript")
    assert told.endswith(f"({400 - kept} more lines left out: the context has no room for them)")
    assert estimate_tokens(reply.messages, limits.grid) < context_tokens - 100
    assert kept > context_tokens // 40


def test_two_texts_share_the_context(executor: Make) -> None:
    text = "\n".join(f"line {number} of a long transcript" for number in range(400))
    reply = play(executor(tools=silent(text), context_tokens=2_000), 1, 2, 3)
    assert estimate_tokens(reply.messages, Limits().grid) < 1_900
    assert [len(result.text) > 60 for result in reply.results] == [True, False, False]


@pytest.mark.parametrize("max_tokens", [0, 1, 5, 40])
def test_held_to_keeps_whole_lines(max_tokens: int) -> None:
    held = held_to("first line\nsecond\n\nlast", max_tokens)
    lines = held.split("\n")
    if max_tokens == 40:
        assert held == "first line\nsecond\n\nlast"
    else:
        assert lines[:-1] == ["first line", "second"][: {0: 0, 1: 0, 5: 1}[max_tokens]]
        assert lines[-1].startswith(f"({4 - len(lines[:-1])} more lines left out")
