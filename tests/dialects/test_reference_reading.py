"""The reference profile reads a turn as the released harness does, quirks included.

The expected values are what the harness's own functions gave for these texts.
"""

from __future__ import annotations

from typing import Any

import pytest
from dialect_parts import arguments_of, block

from eva_graph.dialects import Answer, Calls, Neither, ReferenceDialect

LOOK = {"start_time": 0, "end_time": 10, "nframes": 4, "resize": 0.5}
CALL = block(LOOK)


def read(text: str) -> Any:
    return ReferenceDialect().read(text, truncated=False)


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        ("<answer>B</answer>", "B"),
        ("I see it.\n<answer>\n  B. red \n</answer> done", "B. red"),
        ("<answer>\u2003X\x1c</answer>", "X"),
        ("<answer>A</answer><answer>B</answer>", "A"),
        ("<answer>a<answer>C</answer>", "a<answer>C"),
        ("<answer>1</answer></answer>", "1"),
        (f"{CALL}<answer>B</answer>", "B"),
        (f"<answer>B</answer>{CALL}", "B"),
        ("Answer: B", "B"),
        ("answer B", "B"),
        ("Answer. C", "C"),
        ("Answer:\n\nD", "D"),
        ("Answer: B) the red one", "B"),
        ("answer: _", "_"),
        ("answer\u00a0\u00e9", "\u00e9"),
        ("Answer: B\n", "B"),
        ("Answer:B", "B"),
        (f"Answer: A {'x' * 100}", "A"),
        ("I will answer a question", "a"),
        ("The final answer is a", ""),
        ("The answer is B", ""),
        ("**Answer:** B", ""),
        ("ANSWER: B", ""),
        ("answers B", ""),
        ("Answer: Bob", ""),
        (f"Answer: A {'x' * 101}", ""),
        ("<answer></answer>", ""),
        ("<answer> \n </answer>", ""),
        ("<answer>B", ""),
        ("B</answer>", ""),
        ("</answer>B<answer>", ""),
    ],
)
def test_answers(text: str, answer: str) -> None:
    assert read(text) == (Answer(text=answer) if answer else Neither())


def test_an_empty_answer_falls_through_to_the_stated_one() -> None:
    assert read("<answer> </answer> Answer: C") == Answer(text="C")


def test_a_stated_answer_beats_a_call() -> None:
    assert read('<tool_call>{"tool": "x"}</tool_call>\nAnswer: C') == Answer(text="C")
    assert isinstance(read(f"Answer: C\n{CALL}"), Calls), "more than 100 characters follow it"


@pytest.mark.parametrize(
    "text",
    [
        CALL,
        f"Plan: look.\n{CALL}",
        '<tool_call>{ "tool" : "frame_select"}</tool_call>'.replace(
            '"tool" : "frame_select"', '"tool":\t"frame_select",\n"parameters": ' + str(LOOK)
        ).replace("'", '"'),
        f"{CALL}\n<tool_call>not json</tool_call>",
        f"<tool_call>I choose {CALL[len('<tool_call>') :]}",
        f"<tool_call>[{CALL[len('<tool_call>') : -len('</tool_call>')]}]</tool_call>",
        f"{CALL[: -len('</tool_call>')]} and more }}</tool_call>",
    ],
)
def test_calls_that_are_found(text: str) -> None:
    assert arguments_of(read(text)) == [("frame_select", LOOK)]


def test_several_objects_of_the_first_block_are_calls() -> None:
    other = {"nframes": 1, "end_time": 9.5, "start_time": 9}
    assert arguments_of(read(block(LOOK, other) + CALL)) == [
        ("frame_select", LOOK),
        ("frame_select", other),
    ]


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "no_answer_no_tool_call"),
        ("I look.", "no_answer_no_tool_call"),
        ("<tool_call>{", "no_answer_no_tool_call"),
        ("</tool_call><tool_call>", "no_answer_no_tool_call"),
        ("<tool_call></tool_call>", "no_valid_tool_call"),
        ("<tool_call>{}</tool_call>", "no_valid_tool_call"),
        (block(LOOK, tool="seek"), "no_valid_tool_call"),
        (CALL.replace('"tool"', '"name"'), "no_valid_tool_call"),
        (CALL.replace("arguments", "args"), "no_valid_tool_call"),
        (CALL.replace('{"tool"', '{"id": 1, "tool"'), "no_valid_tool_call"),
        (CALL.replace('"tool": ', '"tool" : '), "no_valid_tool_call"),
        ('<tool_call>{"arguments": {}, "tool": "frame_select"}</tool_call>', "no_valid_tool_call"),
        (CALL.replace("}}", "}"), "no_valid_tool_call"),
        (f"<tool_call>no</tool_call>{CALL}", "no_valid_tool_call"),
    ],
)
def test_turns_without_a_call(text: str, reason: str) -> None:
    assert read(text) == Neither(reason=reason)


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        ("{'start_time': 0}", "arguments_not_json"),
        ('{"start_time": 0,}', "arguments_not_json"),
        ('{"end_time": 3, "box": {"x": 1}}', "arguments_not_json"),  # cut at the first "}}"
        ("{}", "no_start_or_end_time"),
        ('{"start_time": 0, "nframes": 3}', "no_start_or_end_time"),
        ('{"nframes": NaN, "end_time": 4}', "no_start_or_end_time"),
        ('{"start_time": 0, "end_time": 3}', "no_nframes"),
        (f'{{"start_time": {"9" * 5000}}}', "exception"),
        ('{"start_time": "\\ud800", "end_time": 3, "nframes": 1}', "exception"),
        ('{"start_time": 0, "end_time": "\\u0000", "nframes": 1}', "exception"),
    ],
)
def test_arguments_that_cannot_be_used(arguments: str, error: str) -> None:
    outcome = read(
        f'<tool_call>{{"tool": "frame_select", "arguments": {arguments}}} '
        f"{CALL[len('<tool_call>') :]}"
    )
    assert isinstance(outcome, Calls)
    assert [call.get("error") for call in outcome.calls] == [error, None]


def test_numbers_that_no_record_holds_are_kept_as_text_or_float() -> None:
    huge = "1" + "0" * 400
    raw = f'{{"start_time": NaN, "end_time": {10**18}, "nframes": {huge}, "resize": -Infinity}}'
    outcome = read(f'<tool_call>{{"tool": "frame_select", "arguments": {raw}}}</tool_call>')
    assert arguments_of(outcome) == [
        ("frame_select", {"start_time": "nan", "end_time": 1e18, "nframes": huge, "resize": "-inf"})
    ]


def test_nothing_is_ever_truncated() -> None:
    assert isinstance(ReferenceDialect().read(CALL, truncated=True), Calls)
