"""What scripted policies say in the graph's tests, in the text form of the `eva` dialect."""

from __future__ import annotations

import io
import json
import re
from collections.abc import Callable, Sequence
from typing import Any

from PIL import Image

from eva_graph import Trajectory
from eva_graph.blocks import frames_of, text_of
from eva_graph.dialects.turn import Look, write_plan
from eva_graph.policy.protocol import PolicyRequest
from eva_graph.testing import CLIP_COLOURS

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
    look(span(0, 8, 2, 0.5), summary="The video has 8 seconds."),
    look(span(3, 3, 1), reflection="Yellow near [00:03].", summary="Closer at 3 s."),
    answer("yellow", reflection="At [00:03] it is yellow."),
)
"""Three turns: a scan, a close look, the answer."""
QUESTION = "Which colour is shown at 3 seconds?"


def lasting(trajectory: Trajectory) -> dict[str, Any]:
    """A record without what differs between two equal runs: id, clock and durations."""
    text = trajectory.to_line().replace(trajectory.trajectory_id, "T")
    return _untimed(json.loads(text))  # type: ignore[no-any-return]


def _untimed(value: Any) -> Any:
    if isinstance(value, dict):
        volatile = {
            "cached", "created", "finished", "seconds", "policy_seconds", "look_seconds", "record",
        }  # fmt: skip
        return {key: _untimed(item) for key, item in value.items() if key not in volatile}
    return [_untimed(item) for item in value] if isinstance(value, list) else value


def see(request: PolicyRequest) -> str:
    """A policy that looks where the question says, and answers what the frame there shows.

    The question holds one number: the second. The answer tells colour, size and the number.
    """
    question = next(text_of(m) for m in request.messages if m.type == "human")
    second = int(re.findall(r"(\d+)", question)[-1])
    shown = list(frames_of(request.messages))
    if not shown:
        return look(span(second, second, 1))
    with Image.open(io.BytesIO(request.load_frame(shown[-1]))) as image:
        pixel = image.convert("RGB").getpixel((2, 2))
    colour = min(CLIP_COLOURS, key=lambda name: _distance(CLIP_COLOURS[name], pixel))
    return answer(f"{colour} {shown[-1].width}x{shown[-1].height} {second}")


def _distance(first: Sequence[int], second: Any) -> int:
    return sum(abs(a - b) for a, b in zip(first, second, strict=True))


def in_parts(script: Sequence[str]) -> Callable[[PolicyRequest], str]:
    """Plays whole turns to whoever asks for them part by part, as a server that continues does."""

    def part(request: PolicyRequest) -> str:
        turns = [text_of(message) for message in request.messages if message.type == "ai"]
        begun = turns.pop() if request.continue_final else ""
        text = script[len(turns)].removeprefix(begun)
        for stop in request.stop:
            text = text.partition(stop)[0]
        return text

    return part
