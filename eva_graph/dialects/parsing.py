"""Readers for what a policy wrote. Untrusted text in, values out; nothing here ever raises for it.

Two readers of EVA's text form: `read_corrected` accepts any key order, several blocks, several
objects in a block, and says what is wrong; `read_reference` accepts exactly what the released
harness accepts (`eval-eva.py` at 758ad8d), quirks included.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

from eva_graph.dialects.storable import check_storable
from eva_graph.dialects.turn import Answer, Calls, Malformed, Neither, Outcome, ToolCall, Truncated

WRITE_ONE = (
    'write one <tool_call>{"tool": …, "arguments": {…}}</tool_call> or one <answer>…</answer>'
)
_ANSWER = re.compile(r"<answer>(.*?)</answer>", re.DOTALL)
_STATED = re.compile(
    r"(?:^|[\s*(])[Aa]nswer(?: is)?[\s*_:.]*[\s:.*_]"  # "The answer is", "**Answer:**"
    r"[(\[*_]*([A-Z])[)\]*_]*"  # the letter, perhaps wrapped
    r"(?:[.:,)][^\n]{0,100})?$"  # perhaps the option's text
)
_OPEN, _CLOSE = "<tool_call>", "</tool_call>"

_REF_ANSWER = re.compile(r"<answer>\s*(.*?)\s*</answer>", re.DOTALL)
_REF_STATED = re.compile(r"[Aa]nswer[\.:\s]\s*(\w)(\W.{,100}|)$", re.DOTALL)
_REF_BLOCK = re.compile(r"<tool_call>(.*?)</tool_call>", re.DOTALL)
_REF_CALL = re.compile(
    r'{\s*"tool":\s*"frame_select",\s*"(?:arguments|parameters)":\s*({.*?})\s*}', re.DOTALL
)


def printable(text: str, limit: int = 200) -> str:
    """`text` on one line, short, and encodable as UTF-8: fit for an error message."""
    clean = text.encode("utf-8", "replace").decode("utf-8")
    line = " ".join(clean.split())
    return line if len(line) <= limit else line[: limit - 1] + "…"


def stated_answer(text: str) -> str:
    """A letter stated in the last line ("Answer: B", "The answer is (B).", "**Answer:** B")."""
    lines = text.rstrip().splitlines()
    match = _STATED.search(lines[-1]) if lines else None
    return match.group(1) if match else ""


def read_corrected(text: str, *, truncated: bool) -> Outcome:
    """Outcome of EVA text under the corrected profile.

    The last complete `<answer>` wins over everything; then all `<tool_call>` blocks; then a
    letter stated in the last line.
    """
    answers = _ANSWER.findall(text)
    if answers and answers[-1].strip():
        return Answer(text=answers[-1].strip())
    if truncated:
        return Truncated()
    if answers:
        return Malformed(error=f"the answer is empty; {WRITE_ONE}")
    if _OPEN in text:
        return _read_blocks(text)
    letter = stated_answer(text)
    return Answer(text=letter) if letter else Neither()


def read_reference(text: str) -> Outcome:
    """Outcome exactly as the released harness decides it; never `Truncated`, never fed back."""
    for pattern in (_REF_ANSWER, _REF_STATED):
        match = pattern.search(text)
        if match and match.group(1).strip():
            return Answer(text=match.group(1).strip())
    block = _REF_BLOCK.search(text)
    if block is None:
        return Neither()
    found = _REF_CALL.findall(block.group(1).strip())
    if not found:
        return Neither(reason="no_valid_tool_call")
    return Calls(calls=tuple(_reference_call(raw) for raw in found))


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


def strict_json(text: str) -> Any:
    """`json.loads` that refuses NaN and infinities; raises ValueError for anything unreadable."""
    values = list(_json_values(text))
    if len(values) != 1:
        raise ValueError(f"expected one JSON value, found {len(values)}")
    return values[0]


def _read_blocks(text: str) -> Outcome:
    calls: list[ToolCall] = []
    for block in _blocks(text):
        try:
            values = list(_json_values(block))
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


def _json_values(text: str) -> Iterator[Any]:
    """The JSON values that follow one another in `text`, between white space and commas."""
    decoder = json.JSONDecoder()
    position = 0
    while True:
        while position < len(text) and text[position] in " \t\r\n,":
            position += 1
        if position == len(text):
            return
        try:
            value, position = decoder.raw_decode(text, position)
        except RecursionError:
            raise ValueError("nested too deeply") from None
        check_storable(value)
        yield value


def _reference_call(raw: str) -> ToolCall:
    call = ToolCall(id="", tool="frame_select", arguments={})
    try:
        parsed = json.loads(raw.strip())
    except (ValueError, RecursionError):
        call["error"] = "arguments_not_json"
        return call
    try:
        check_storable(parsed)
    except ValueError:  # the harness's subprocess or its arithmetic would fail on it
        call["error"] = "call_frame_select_failed"
        return call
    call["arguments"] = parsed
    if "start_time" not in parsed or "end_time" not in parsed:
        call["error"] = "no_start_or_end_time"
    elif "nframes" not in parsed:
        call["error"] = "no_nframes"
    return call
