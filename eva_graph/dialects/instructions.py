"""System texts that teach a general model the format: tools, cost rule, headings, one example."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from eva_graph.dialects.turn import write_call
from eva_graph_tools import Tool, VisualGrid

_METHOD = """\
You answer a question about a video. You cannot see the video: you look at it with tools, and you \
plan before you look. At first you know only its length and resolution.

Every turn you write these parts, each on its own line, in this order:
Reflection: what the last look showed, and whether it is enough to answer (not in the first turn).
Summary: everything known so far.
Plan: numbered candidate looks, each as {candidate} = N visual tokens; what it should show. \
Then a line `Choice: 1` with the number of the candidate you take, or several numbers.
Then {action}.

When you have seen enough, write the Reflection and then the answer inside <answer></answer>: \
only the option's letter where there are options, else a few words.

Cost: one frame of a {{W}}x{{H}} pixel video at resize r costs about (W*r/{patch}) * (H*r/{patch}) \
visual tokens. A look may cost at most {budget}; a larger one is reduced. Look coarsely at long \
ranges (small resize), closely at short ones. Times are seconds or [HH:]MM:SS. Frame labels such \
as [01:30] are true times of the video."""

_EXAMPLE = """
Example of a first turn:
Summary: The video is 600 seconds long, 1280x720 pixels; nothing seen yet.
Plan:
1. {coarse} = {coarse_tokens} visual tokens; find the scene
2. {close} = {close_tokens} visual tokens; more detail than a first scan needs
Choice: 1
<tool_call>{coarse}</tool_call>"""


def eva_instructions(tools: Sequence[Tool], grid: VisualGrid, look_budget: int) -> str:
    """System text of the `eva` dialect with `instructions=True`."""
    method = _METHOD.format(
        candidate='{"tool": …, "arguments": {…}}',
        action='<tool_call>{"tool": …, "arguments": {…}}</tool_call> with what you chose',
        patch=grid.patch_pixels,
        budget=look_budget,
    )
    return f"{_filled(method)}\n\nTools:\n{_tool_list(tools)}\n{_example(grid)}"


def native_instructions(tools: Sequence[Tool], grid: VisualGrid, look_budget: int) -> str:
    """System text of the `native` dialect; the server explains the tools' schemas itself."""
    method = _METHOD.format(
        candidate='{"tool": …, "arguments": {…}}',
        action="call the tools you chose",
        patch=grid.patch_pixels,
        budget=look_budget,
    )
    return _filled(method)


def _filled(method: str) -> str:
    return method.replace("{W}", "W").replace("{H}", "H")


def _example(grid: VisualGrid) -> str:
    arguments = {"start_time": 0, "end_time": 600}
    return _EXAMPLE.format(
        coarse=write_call("frame_select", {**arguments, "nframes": 30, "resize": 0.2}),
        coarse_tokens=grid.estimate(1280, 720, 0.2, 30),
        close=write_call("frame_select", {**arguments, "nframes": 60, "resize": 0.5}),
        close_tokens=grid.estimate(1280, 720, 0.5, 60),
    )


def _tool_list(tools: Sequence[Tool]) -> str:
    lines: list[str] = []
    for tool in tools:
        lines.append(f"- {tool.name}: {tool.description}")
        schema = tool.json_schema()
        required = set(schema.get("required", ()))
        for name, field in schema["properties"].items():
            need = "required" if name in required else _default(field)
            lines.append(f"    {name} ({need}): {field.get('description', '')}")
    return "\n".join(lines)


def _default(field: Mapping[str, Any]) -> str:
    return f"default {field['default']}" if "default" in field else "optional"
