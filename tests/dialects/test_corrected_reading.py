"""The corrected profile reads a turn in every odd form, and says in one line what it cannot use."""

from __future__ import annotations

import json
from typing import Any

import pytest
from dialect_parts import arguments_of, block

from eva_graph.dialects import (
    Answer,
    Calls,
    EvaDialect,
    Malformed,
    Neither,
    Outcome,
    ToolCall,
    Truncated,
)
from eva_graph.look import read_outcome

LOOK = {"start_time": 0, "end_time": "01:30", "nframes": 4, "resize": 0.5}
OTHER = {"time": 3}
CALL = block(LOOK)
WRITE_ONE = (
    'write one <tool_call>{"tool": …, "arguments": {…}}</tool_call> or one <answer>…</answer>'
)


def read(text: str, *, truncated: bool = False) -> Outcome:
    return EvaDialect().read(text, truncated=truncated)


def inside(content: str) -> str:
    return f"<tool_call>{content}</tool_call>"


def test_the_canonical_turn() -> None:
    outcome = read(f"Summary: nothing yet.\nPlan:\n1. …\nChoice: 1\n{CALL}")
    assert outcome == Calls(calls=(ToolCall(id="", tool="frame_select", arguments=LOOK),))


@pytest.mark.parametrize(
    "content",
    [
        json.dumps({"arguments": LOOK, "tool": "frame_select"}),
        json.dumps({"name": "frame_select", "arguments": LOOK}),
        json.dumps({"name": "frame_select", "parameters": LOOK}),
        json.dumps({"id": 7, "tool": "frame_select", "arguments": LOOK, "why": "to see"}),
        json.dumps({"tool": "frame_select", "arguments": json.dumps(LOOK)}),
        json.dumps([{"tool": "frame_select", "arguments": LOOK}]),
        "\n\t " + json.dumps({"tool": "frame_select", "arguments": LOOK}, indent=2) + ",\n",
    ],
)
def test_odd_forms_of_one_call(content: str) -> None:
    assert arguments_of(read(inside(content))) == [("frame_select", LOOK)]


FIRST = json.dumps({"tool": "frame_select", "arguments": LOOK})
SECOND = json.dumps({"name": "seek", "parameters": OTHER})


@pytest.mark.parametrize(
    "text",
    [
        inside(f"{FIRST}\n{SECOND}"),
        inside(f"{FIRST}{SECOND}"),
        inside(f"{FIRST}, {SECOND}"),
        inside(f"[{FIRST}, {SECOND}]"),
        inside(f"[{FIRST}] [{SECOND}]"),
        inside(FIRST) + inside(SECOND),
        f"First {inside(FIRST)} then\n{inside(SECOND)} and wait.",
        f"<tool_call>{FIRST}<tool_call>{SECOND}",
        f"<tool_call>{FIRST}</tool_call><tool_call>{SECOND}",
    ],
)
def test_several_calls(text: str) -> None:
    assert arguments_of(read(text)) == [("frame_select", LOOK), ("seek", OTHER)]


def test_an_end_tag_that_a_stop_string_took() -> None:
    assert arguments_of(read(CALL.removesuffix("</tool_call>"))) == [("frame_select", LOOK)]


def test_arguments_may_be_left_out() -> None:
    assert arguments_of(read(inside('{"tool": "seek"}'))) == [("seek", {})]


@pytest.mark.parametrize(
    ("content", "error"),
    [
        ("", f"the tool call is empty; {WRITE_ONE}"),
        ("[]", f"the tool call is empty; {WRITE_ONE}"),
        ("look closer", "the tool call is not valid JSON: Expecting value: line 1 column 1 (char"),
        (FIRST[:-1], "the tool call is not valid JSON: Expecting ',' delimiter"),
        (FIRST.replace('"', "'"), "the tool call is not valid JSON: Expecting property name"),
        (f"{FIRST} ok", "the tool call is not valid JSON: Expecting value"),
        ("[" * 5000, "the tool call is not valid JSON: nested too deeply"),
        ("[" * 30 + "]" * 30, "the tool call is not valid JSON: nested too deeply"),
        ('{"tool": "seek", "arguments": {"time": NaN}}', "the tool call is not valid JSON: nan is"),
        ('{"tool": "seek", "arguments": {"time": 1e999}}', "the tool call is not valid JSON: inf"),
        (f'{{"tool": "seek", "arguments": {{"time": {10**16}}}}}', "valid JSON: a number is too"),
        (
            f'{{"tool": "seek", "arguments": {{"time": {"9" * 5000}}}}}',
            "not valid JSON: Exceeds",
        ),
        ('{"tool": "seek", "arguments": {"time": "\\udc00"}}', "not valid JSON: not valid Unicode"),
        ('{"tool": "seek", "arguments": {"time": "\\u0000"}}', "not valid JSON: not valid Unicode"),
        ("1", "a tool call must be a JSON object"),
        ('"frame_select"', "a tool call must be a JSON object"),
        ("[[]]", "a tool call must be a JSON object"),
        ("null", "a tool call must be a JSON object"),
        ("{}", 'the tool call names no tool ("tool": "frame_select")'),
        ('{"tool": ""}', 'the tool call names no tool ("tool": "frame_select")'),
        ('{"tool": {"name": "seek"}}', 'the tool call names no tool ("tool": "frame_select")'),
        ('{"tool": "seek", "arguments": null}', "the arguments must be a JSON object"),
        ('{"tool": "seek", "arguments": [3]}', "the arguments must be a JSON object"),
        ('{"tool": "seek", "arguments": "3"}', "the arguments must be a JSON object"),
        ('{"tool": "seek", "arguments": "{"}', "the arguments are not valid JSON (Expecting"),
        ('{"tool": "seek", "arguments": "{} {}"}', "(expected one JSON value, found 2)"),
        ('{"tool": "seek", "arguments": ""}', "(expected one JSON value, found 0)"),
    ],
)
def test_what_is_wrong_with_a_call(content: str, error: str) -> None:
    outcome = read(inside(content))
    assert isinstance(outcome, Malformed)
    assert error in outcome.error
    assert "\n" not in outcome.error
    assert len(outcome.error) < 300


def test_one_bad_call_of_two_runs_neither() -> None:
    assert isinstance(read(inside(f"{FIRST} {{}}")), Malformed)
    assert isinstance(read(inside(FIRST) + inside("no")), Malformed)


def test_a_long_tool_name_is_shortened() -> None:
    ((tool, _),) = arguments_of(read(inside(json.dumps({"tool": "x\n" * 5000}))))
    assert len(tool) == 60
    assert "\n" not in tool


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        ("<answer>B</answer>", "B"),
        ("Reflection: done.\n<answer>\n the red car \n</answer>\nBye.", "the red car"),
        ("<answer>A</answer> no, <answer>B</answer>", "B"),
        ("I answer in <answer> tags: <answer>B</answer>", "B"),
        ("<answer>B</answer></answer>", "B"),
        (f"{CALL}<answer>B</answer>", "B"),
        (f"<answer>B</answer>{CALL}", "B"),
        ("Answer: B", "B"),
        ("I looked.\nAnswer: B\n\n", "B"),
        ("answer: B.", "B"),
        ("The answer is B", "B"),
        ("The answer is (B).", "B"),
        ("The correct answer is: **B**", "B"),
        ("**Answer:** B", "B"),
        ("**Answer: B**", "B"),
        ("Answer: B) the red one", "B"),
        ("Answer: B. The red one, which stands", "B"),
        ("Final Answer: [C]", "C"),
    ],
)
def test_answers(text: str, answer: str) -> None:
    assert read(text) == Answer(text=answer)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "I will answer a question",
        "This cannot answer A question",
        "The answer is Blue",
        "The answer is b",
        "the answers B",
        "Answer: B or C",
        "Answer: B\nBut I am not sure.",
        "Answer: A. " + "x" * 101,
        "<answer>B",
        "B</answer>",
        "</tool_call>",
        '{"tool": "seek", "arguments": {"time": 3}}',
    ],
)
def test_neither(text: str) -> None:
    assert read(text) == Neither()


def test_an_empty_answer_is_malformed() -> None:
    assert read("<answer> </answer>") == Malformed(error=f"the answer is empty; {WRITE_ONE}")
    assert read("<answer>A</answer><answer></answer>") == Malformed(
        error=f"the answer is empty; {WRITE_ONE}"
    )


def test_an_empty_answer_does_not_beat_a_call() -> None:
    assert isinstance(read(f"Later I answer inside <answer></answer>. {CALL}"), Calls)


def test_a_stated_letter_does_not_beat_a_call() -> None:
    assert isinstance(read(f"{CALL}\nAnswer: B"), Calls)


@pytest.mark.parametrize("text", ["", "Summary: the", CALL, CALL[:-30], "<answer>B", "Answer: B"])
def test_truncated(text: str) -> None:
    assert read(text, truncated=True) == Truncated()


def test_a_complete_answer_outlives_truncation() -> None:
    assert read("<answer>B</answer> because the", truncated=True) == Answer(text="B")


def test_a_turn_with_neither_is_told_so() -> None:
    outcome = read_outcome(EvaDialect(), "I see.", message_id="m")
    assert outcome == Malformed(
        error=f"there is no tool call and no answer in this message; {WRITE_ONE}"
    )


def test_every_call_gets_an_id_of_its_message() -> None:
    outcome = read_outcome(EvaDialect(), inside(f"{FIRST}{SECOND}"), message_id="t:1:assistant")
    assert isinstance(outcome, Calls)
    assert [call["id"] for call in outcome.calls] == ["t:1:assistant:0", "t:1:assistant:1"]


def test_text_that_no_store_holds_is_replaced() -> None:
    outcome: Any = read_outcome(EvaDialect(), "<answer>a\ud800b\0c</answer>", message_id="m")
    assert outcome == Answer(text="a?b?c")
