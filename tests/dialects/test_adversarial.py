"""Reading takes work in proportion to the text: no input makes a pattern backtrack for hours.

The texts are long enough that work which grows with their square, let alone their cube, would
not end within the time limit of the test.
"""

from __future__ import annotations

import pytest
from dialect_parts import block

from eva_graph.dialects import Dialect, EvaDialect, NativeDialect, ReferenceDialect
from eva_graph.dialects.turn import parse_plan
from eva_graph.look import read_outcome
from eva_graph.policy.protocol import NativeCall

LENGTH = 200_000
CALL_START = '{"tool": "frame_select", "arguments": {'
CANDIDATE = '1. {"tool": "seek", "arguments": {}} = 1 visual tokens'

CASES = [
    ("<answer>", " ", ""),
    ("<answer>", " x", "</answer"),
    ("", "<answer> ", ""),
    ("", "<answer>x</answer", ""),
    ("", "</answer>", ""),
    ("", "<tool_call>", ""),
    ("", "<tool_call> ", "</tool_call"),
    ("<tool_call>", CALL_START, "</tool_call>"),
    ("<tool_call>", "{ ", "</tool_call>"),
    (f"<tool_call>{CALL_START}", "} ", "x</tool_call>"),
    (f"<tool_call>{CALL_START}", "}\n\n\n", "</tool_call>"),
    ("<tool_call>", f"{CALL_START}}} ", "</tool_call>"),
    ("<tool_call>", '{"tool":', "</tool_call>"),
    ("<tool_call>", "[", "</tool_call>"),
    ("<tool_call>", ", ", "x</tool_call>"),
    ("<tool_call>", '\\"', "</tool_call>"),
    ("Answer", "*", ""),
    ("Answer", " ", ""),
    ("Answer", "*(", ""),
    ("Answer: (", "_", "x"),
    ("Answer: A", ")", "x"),
    ("", "answer ", "x"),
    ("", "Answer: A) ", "x"),
    ("Answer: A", ".", "\n\n"),
    ("Plan:\n", " ", "1"),
    ("Plan:\n1", "1", "x"),
    ("Plan:\n1.", " ", "x"),
    ("Plan:\n", "1. ", ""),
    ("Plan:\n", "\n1. {", ""),
    (f"Plan:\n{CANDIDATE[:-15]}", " ", "= x"),
    ("Plan:\n", f"{CANDIDATE}\n", "Choice: 1"),
    (f"Plan:\n{CANDIDATE}\nChoice: 1", " , 1", "x"),
    (f"Plan:\n{CANDIDATE}\nChoice: 1", " ", "x"),
    ("", "Plan: x\n", ""),
    ("", "\nSummary:", ""),
]


@pytest.mark.timeout(100)
@pytest.mark.parametrize("dialect", [EvaDialect(), ReferenceDialect()], ids=lambda d: d.name)
def test_work_grows_with_the_length(dialect: Dialect) -> None:
    for start, repeated, end in CASES:
        text = start + repeated * (LENGTH // len(repeated)) + end
        read_outcome(dialect, text, message_id="m")
        parse_plan(dialect.parts(text).plan)
        dialect.with_calls(text, [])


@pytest.mark.timeout(100)
def test_native_arguments() -> None:
    for start, repeated, end in CASES:
        raw = start.removeprefix("<tool_call>") + repeated * (LENGTH // len(repeated)) + end
        call = NativeCall(id="a", name=raw, arguments=raw)
        read_outcome(NativeDialect(), "", message_id="m", native_calls=[call])
        NativeDialect().assistant("", [call], "m")


@pytest.mark.parametrize("depth", [500, 5_000, 50_000])
@pytest.mark.parametrize("pattern", ['{"a":', "[", '[{"tool":', '{"tool": "seek", "arguments": '])
def test_deep_nesting(depth: int, pattern: str) -> None:
    close = "".join({"{": "}", "[": "]"}.get(char, "") for char in reversed(pattern))
    text = f"<tool_call>{pattern * depth}1{close * depth}</tool_call>"
    for dialect in (EvaDialect(), ReferenceDialect()):
        read_outcome(dialect, text, message_id="m")
        read_outcome(dialect, f"Plan:\n1. {pattern * depth}", message_id="m")


def test_two_thousand_calls_in_a_turn() -> None:
    text = block(*[{"start_time": 0, "end_time": 1, "nframes": 1}] * 2000)
    for dialect in (EvaDialect(), ReferenceDialect()):
        outcome = read_outcome(dialect, text, message_id="m")
        assert len(getattr(outcome, "calls", ())) == 2000
