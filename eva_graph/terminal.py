"""Steps and results for a terminal: what it plans, which range it watches, what that cost."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rich.console import Console
from rich.markup import escape

from eva_graph.result import RunResult
from eva_graph.steps import Step
from eva_graph_tools import labels

_SHORT = 300
_LINES = 8


class StepPrinter:
    """Prints steps as they happen and the result at the end."""

    def __init__(self, console: Console) -> None:
        self._console = console

    def step(self, step: Step) -> None:
        """Print what a node told."""
        data = step.data
        if data.get("summary"):
            self._part(step, "summary", data["summary"])
        if "plan" in data:
            self._plan(step, data["plan"])
        for look in data.get("looks", ()):
            self._look(step, look)
        if data.get("reflection"):
            self._part(step, "reflection", data["reflection"])

    def result(self, result: RunResult) -> None:
        """Print the answer, what it rests on and what it cost."""
        for evidence in result.evidence:
            span = _range(evidence.start_seconds, evidence.end_seconds)
            self._console.print(f"[dim]evidence[/] {span}, {_count(len(evidence.frames), 'frame')}")
        usage = result.usage
        self._console.print(
            f"[dim]cost[/] {_count(usage.policy_calls, 'policy call')}, "
            f"{_count(usage.frames, 'frame')}, {_count(usage.visual_tokens, 'visual token')}, "
            f"{usage.policy_seconds + usage.look_seconds:.1f} s"
        )
        if result.answer is None:
            reason = escape(result.error or result.stop_reason)
            self._console.print(f"[bold red]no answer[/] {reason}")
            return
        text = result.answer
        if result.answer_text != result.answer:
            text = f"{result.answer}. {result.answer_text}"
        forced = "" if result.stop_reason == "answered" else f" [dim]({result.stop_reason})[/]"
        self._console.print(f"[bold green]answer[/] [bold]{escape(text)}[/]{forced}")

    def _part(self, step: Step, name: str, text: str) -> None:
        short = text if len(text) <= _SHORT else text[: _SHORT - 1] + "…"
        self._console.print(f"[cyan]{step.turn} {name}[/] {escape(short)}")

    def _plan(self, step: Step, plan: Mapping[str, Any]) -> None:
        if not plan["candidates"] and plan["text"]:
            self._part(step, "plan", plan["text"])
        for index, look in enumerate(plan["candidates"]):
            mark = "→" if index in plan["chosen"] else " "
            arguments = ", ".join(f"{key}={value}" for key, value in look["arguments"].items())
            reason = f"; {look['reason']}" if look["reason"] else ""
            line = (
                f"{look['tool']}({arguments}) = {look['estimated_visual_tokens']} "
                f"visual tokens{reason}"
            )
            self._console.print(f"[cyan]{step.turn} plan[/] {mark} {escape(line)}")

    def _look(self, step: Step, look: Mapping[str, Any]) -> None:
        if look["error"]:
            line = f"{look['tool']}: {look['error']}"
            self._console.print(f"[cyan]{step.turn} look[/] [red]{escape(line)}[/]")
            return
        self._console.print(f"[cyan]{step.turn} look[/] {escape(_shown(look))}")
        made = [f"made {file['path']}" for file in look["artifacts"]]
        read = look["text"].splitlines()
        if len(read) > _LINES:
            read = [*read[:_LINES], f"… {_count(len(read) - _LINES, 'more line')}"]
        for line in (*look["notes"], *read, *made):
            self._console.print(f"       [dim]{escape(line)}[/]")


def result_json(result: RunResult) -> dict[str, Any]:
    """The result as one JSON object, for `--json`."""
    return {
        "answer": result.answer,
        "answer_text": result.answer_text,
        "stop_reason": result.stop_reason.value,
        "error": result.error,
        "notice": result.notice,
        "evidence": [
            {
                "start_seconds": item.start_seconds,
                "end_seconds": item.end_seconds,
                "frames": [frame.to_json() for frame in item.frames],
            }
            for item in result.evidence
        ],
        "usage": result.usage.model_dump(mode="json"),
        "trajectory_id": result.trajectory.trajectory_id,
    }


def _shown(look: Mapping[str, Any]) -> str:
    times = [frame["pts_seconds"] for frame in look["frames"]]
    if not times:
        return f"{look['tool']}: {_count(len(look['text'].splitlines()), 'line')}"
    return (
        f"{look['tool']} {_range(min(times), max(times))}: {_count(len(times), 'frame')}, "
        f"{_count(look['visual_tokens'], 'visual token')}"
    )


def _range(start_seconds: float, end_seconds: float) -> str:
    if start_seconds == end_seconds:
        return f"[{labels([start_seconds])[0]}]"
    start, end = labels([start_seconds, end_seconds])
    return f"[{start}]-[{end}]"


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"
