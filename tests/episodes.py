"""What scripted policies say in the graph's tests, in the text form of the `eva` dialect."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from eva_graph.dialects.turn import Look, write_plan

Arguments = dict[str, Any]


def span(start: float, end: float, nframes: int, resize: float = 1.0) -> Arguments:
    """Arguments of a `frame_select` call."""
    return {"start_time": start, "end_time": end, "nframes": nframes, "resize": resize}


def call(*arguments: Arguments, tool: str = "frame_select") -> str:
    """One `<tool_call>` block with a call for each of the arguments."""
    objects = [json.dumps({"tool": tool, "arguments": each}) for each in arguments]
    return "<tool_call>" + "\n".join(objects) + "</tool_call>"


def look(
    *arguments: Arguments, reflection: str = "", summary: str = "Nothing is known yet."
) -> str:
    """A turn that looks: reflection (if any), summary, a plan of the calls, and the calls."""
    candidates = tuple(
        Look(tool="frame_select", arguments=each, estimated_visual_tokens=12, reason=f"look {n}")
        for n, each in enumerate(arguments, start=1)
    )
    plan = write_plan(candidates, tuple(range(len(candidates))))
    lead = f"Reflection: {reflection}\n" if reflection else ""
    return f"{lead}Summary: {summary}\nPlan:\n{plan}\n{call(*arguments)}"


def answer(text: str, reflection: str = "That is enough.") -> str:
    """A turn that answers."""
    return f"Reflection: {reflection}\n<answer>{text}</answer>"


TWO_LOOKS: Sequence[str] = (
    look(span(0, 8, 4, 0.5), summary="The video has 8 seconds."),
    look(span(3, 3, 1), reflection="Yellow near [00:03].", summary="Closer at 3 s."),
    answer("yellow", reflection="At [00:03] it is yellow."),
)
"""Three turns: a scan, a close look, the answer."""
QUESTION = "Which colour is shown at 3 seconds?"
