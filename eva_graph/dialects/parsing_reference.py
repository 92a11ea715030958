"""Reader of EVA's text form, reference profile: what the released harness accepts, and no more.

Source: `eval-eva.py` of the authors' evaluation repository at 758ad8d. Its search patterns are
written here as scans whose work grows linearly with the text; some of them took the cube of it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

from eva_graph.dialects.json_values import encodable
from eva_graph.dialects.storable import check_storable
from eva_graph.dialects.turn import Answer, Calls, Neither, Outcome, ToolCall

CALL_FAILED = "call_frame_select_failed"
EXCEPTION = "exception"
"""The stop reason of a sample on which the harness itself raised."""

_STATED = re.compile(r"[Aa]nswer[\.:\s]\s*(\w)(\W.{,100}|)$", re.DOTALL)
_CALL_START = re.compile(r'{\s*"tool":\s*"frame_select",\s*"(?:arguments|parameters)":\s*(?={)')
_CALL_END = re.compile(r"}\s*}")


def read_reference(text: str) -> Outcome:
    """Outcome exactly as the harness decides it; never `Truncated`, never fed back."""
    answer = _between(text, "<answer>", "</answer>")
    if answer:
        return Answer(text=answer)
    stated = _STATED.search(text)
    if stated:
        return Answer(text=stated.group(1))
    block = _between(text, "<tool_call>", "</tool_call>")
    if block is None:
        return Neither()
    calls = tuple(_call(raw) for raw in _raw_arguments(block))
    return Calls(calls=calls) if calls else Neither(reason="no_valid_tool_call")


def _between(text: str, start_tag: str, end_tag: str) -> str | None:
    """What stands between the first start tag and the first end tag after it, stripped."""
    start = text.find(start_tag)
    end = text.find(end_tag, start + len(start_tag)) if start >= 0 else -1
    return text[start + len(start_tag) : end].strip() if end >= 0 else None


def _raw_arguments(block: str) -> Iterator[str]:
    """The text of every call's arguments: up to the first closing brace that another follows."""
    position = 0
    while (start := _CALL_START.search(block, position)) is not None:
        end = _CALL_END.search(block, start.end() + 1)
        if end is None:
            return
        yield block[start.end() : end.start() + 1]
        position = end.end()


def _call(raw: str) -> ToolCall:
    call = ToolCall(id="", tool="frame_select", arguments={})
    try:
        parsed = json.loads(raw)
    except json.JSONDecodeError:
        call["error"] = "arguments_not_json"
    except (ValueError, RecursionError):
        call["error"] = EXCEPTION
    else:
        call["arguments"] = {encodable(name): _storable(item) for name, item in parsed.items()}
        error = argument_error(parsed)
        if error is not None:
            call["error"] = error
    return call


def argument_error(arguments: Mapping[str, Any]) -> str | None:
    """Why the harness gives up on a call before it counts tokens, or None."""
    if "start_time" not in arguments or "end_time" not in arguments:
        return "no_start_or_end_time"
    if "nframes" not in arguments:
        return "no_nframes"
    values = (arguments.get(name) for name in ("start_time", "end_time", "nframes", "resize"))
    if any(isinstance(value, str) and value != encodable(value) for value in values):
        return EXCEPTION  # no command line can carry it
    return None


def _storable(value: Any) -> Any:
    """`value`, or a stand-in of the same fate where a record could not hold it.

    The harness fails or raises on the text of a number that is not finite as on the number itself.
    """
    try:
        check_storable(value)
    except ValueError:
        if isinstance(value, int):
            return _whole_number(value)
        return encodable(str(value)) if isinstance(value, (float, str)) else "(not storable)"
    return value


def _whole_number(value: int) -> float | str:
    try:
        return float(value)
    except OverflowError:
        return str(value)
