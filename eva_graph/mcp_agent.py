"""The whole agent as one MCP tool: `ask` a video below a folder, with progress while it looks."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import aclosing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import anyio
from pydantic import Field

from eva_graph.agent import VideoAgent
from eva_graph.errors import EvaGraphError
from eva_graph.result import RunResult
from eva_graph.steps import Step
from eva_graph_tools import labels
from eva_graph_tools.arguments import ToolArguments, json_schema, read_arguments
from eva_graph_tools.errors import DecodeTimeout
from eva_graph_tools.mcp import Content, Progress, ServedTool, media_path, text

_DESCRIPTION = (
    "Answers a question about the content of a video by looking at the parts that matter. "
    "Returns the answer and the times it rests on."
)


class _Ask(ToolArguments):
    video: str = Field(description="The video: its path as list_videos names it.")
    question: str = Field(description="What to find out, in plain words.")
    options: tuple[str, ...] = Field(
        default=(), description="Choices of a multiple-choice question, at least two."
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class AskTool:
    """The agent, the folder that its videos lie in, and how long a question may take."""

    agent: VideoAgent
    root: Path
    timeout_seconds: float

    def served(self) -> ServedTool:
        """The tool for `tool_server`."""
        return ServedTool(
            name="ask", description=_DESCRIPTION, input_schema=json_schema(_Ask), run=self.run
        )

    async def run(self, arguments: Mapping[str, Any], progress: Progress) -> Content:
        """Answer one call.

        Raises:
            EvaGraphError: the arguments, the video or the policy are at fault, no answer was
                found, or it took too long; one line.
        """
        asked = read_arguments(_Ask, "ask", arguments)
        path = media_path(asked.video, self.root)
        try:
            with anyio.fail_after(self.timeout_seconds):
                result = await self._watched(path, asked, progress)
        except TimeoutError:
            raise DecodeTimeout(
                f"the question took longer than {self.timeout_seconds:g} seconds: ask for less, "
                "or start the server with a larger --ask-timeout"
            ) from None
        if result.answer is None:
            raise EvaGraphError(f"no answer: {result.error or result.stop_reason}")
        return [text(_report(result))]

    async def _watched(self, path: Path, asked: _Ask, progress: Progress) -> RunResult:
        async with aclosing(
            self.agent.astream(path, asked.question, options=asked.options or None)
        ) as steps:
            async for item in steps:
                if isinstance(item, RunResult):
                    return item
                await progress(_news(item))
        raise AssertionError("a stream ends with its result")


def _news(step: Step) -> str:
    looks = [look["tool"] for look in step.data.get("looks", ())]
    return f"turn {step.turn}: {step.node}" + (f" ({', '.join(looks)})" if looks else "")


def _report(result: RunResult) -> str:
    answer = result.answer_text or result.answer or ""
    if result.answer != answer:
        answer = f"{result.answer}. {answer}"
    lines = [answer]
    for item in result.evidence:
        start, end = labels([item.start_seconds, item.end_seconds])
        lines.append(f"Seen at [{start}]" if start == end else f"Seen at [{start}]-[{end}]")
    if result.stop_reason != "answered":
        lines.append(f"The answer was given early: {result.stop_reason}.")
    if result.notice is not None:
        lines.append(f"Note: {result.notice}")
    return "\n".join(lines)
