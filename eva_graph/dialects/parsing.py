"""Reader of EVA's text form, corrected profile. Untrusted text in, values out; it never raises.

Any key order, several blocks and several objects in a block are fine; what is wrong is said in one
line. Its work grows linearly with the text.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from eva_graph.dialects.json_values import json_values, printable, strict_json
from eva_graph.dialects.turn import Answer, Calls, Malformed, Neither, Outcome, ToolCall, Truncated

WRITE_ONE = (
    'write one <tool_call>{"tool": …, "arguments": {…}}</tool_call> or one <answer>…</answer>'
)
_STATED = re.compile(
    r"(?:^|[\s*(])[Aa]nswer(?: is)?[\s*_:.]++"  # "The answer is", "**Answer:**"
    r"[(\[*_]*+([A-Z])[)\]*_]*"  # the letter, perhaps wrapped
    r"(?:[.:,)][^\n]{0,100})?$"  # perhaps the option's text
)
_OPEN, _CLOSE = "<tool_call>", "</tool_call>"
_ANSWER_OPEN, _ANSWER_CLOSE = "<answer>", "</answer>"


def stated_answer(text: str) -> str:
    """A letter stated in the last line ("Answer: B", "The answer is (B).", "**Answer:** B")."""
    lines = text.rstrip().splitlines()
    match = _STATED.search(lines[-1]) if lines else None
    return match.group(1) if match else ""


def read_corrected(text: str, *, truncated: bool) -> Outcome:
    """Outcome of EVA text under the corrected profile.

    The last complete `<answer>` wins over everything, unless it is empty; then all `<tool_call>`
    blocks; then a letter stated in the last line.
    """
    answers = list(_answers(text))
    if answers and answers[-1]:
        return Answer(text=answers[-1])
    if truncated:
        return Truncated()
    if _OPEN in text:
        return _read_blocks(text)
    if answers:
        return Malformed(error=f"the answer is empty; {WRITE_ONE}")
    letter = stated_answer(text)
    return Answer(text=letter) if letter else Neither()


def read_call_object(value: object) -> ToolCall | str:
    """A call from one decoded JSON value, or what is wrong with it."""
    if not isinstance(value, dict):
        return "a tool call must be a JSON object"
    tool = value.get("tool", value.get("name"))
    if not isinstance(tool, str) or not tool:
        return 'the tool call names no tool ("tool": "frame_select")'
    arguments = value.get("arguments", value.get("parameters", {}))
    if isinstance(arguments, str):
        try:
            arguments = strict_json(arguments)
        except ValueError as error:
            return f"the arguments are not valid JSON ({printable(str(error))})"
    if not isinstance(arguments, dict):
        return "the arguments must be a JSON object"
    return ToolCall(id="", tool=printable(tool, 60), arguments=arguments)


def _answers(text: str) -> Iterator[str]:
    """Stripped contents of complete `<answer>` elements, the innermost where tags are repeated."""
    for part in text.split(_ANSWER_CLOSE)[:-1]:
        _, tag, content = part.rpartition(_ANSWER_OPEN)
        if tag:
            yield content.strip()


def _read_blocks(text: str) -> Outcome:
    calls: list[ToolCall] = []
    for block in _blocks(text):
        try:
            values = list(json_values(block))
        except ValueError as error:
            return Malformed(error=f"the tool call is not valid JSON: {printable(str(error))}")
        for value in values:
            for item in value if isinstance(value, list) else [value]:
                call = read_call_object(item)
                if isinstance(call, str):
                    return Malformed(error=call)
                calls.append(call)
    if not calls:
        return Malformed(error=f"the tool call is empty; {WRITE_ONE}")
    return Calls(calls=tuple(calls))


def _blocks(text: str) -> Iterator[str]:
    """Contents of `<tool_call>` blocks; the last may lack its end tag (a stop string took it)."""
    for part in text.split(_OPEN)[1:]:
        yield part.partition(_CLOSE)[0]
