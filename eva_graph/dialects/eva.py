"""EVA's own text form, corrected profile: the default.

Text is the released harness's, so the released weights and ours read it alike (arXiv 2603.22918;
`eval-eva.py` at 758ad8d). What differs from the harness: labels are the frames' true times, what
was applied is reported when it differs from the request, errors are told back, and the last
permitted look asks for the answer.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from langchain_core.messages import AIMessage, AnyMessage, ToolMessage

from eva_graph.blocks import Block, frame_block, text_block
from eva_graph.dialects.base import CallResult, Closing, PreparedCall, Question
from eva_graph.dialects.instructions import eva_instructions
from eva_graph.dialects.looks import ToolCallPlan
from eva_graph.dialects.parsing import read_corrected
from eva_graph.dialects.turn import Outcome, ToolCall, TurnParts, split_parts, write_call
from eva_graph.policy.protocol import NativeCall
from eva_graph_tools import Tool, VideoInfo, VisualGrid, labels, prepare

SYSTEM_TEXT = "Use Frame Select Tool to Anlysis the video and generate an answer to the question."
"""The released harness's system message, its typo included: the weights were trained on it."""

CLOSINGS: dict[Closing, str] = {
    "continue": "If more information is needed, call the frame selection tool again.",
    "answer_now": "No more looks are possible. Answer now inside <answer></answer>.",
}
CLOSINGS_OF_MANY: dict[Closing, str] = {
    **CLOSINGS,
    "continue": "If more information is needed, look again.",
}
"""For policies that are told of several tools."""
_BLOCKS = re.compile(r"<tool_call>.*?(?:</tool_call>|\Z)", re.DOTALL)


class EvaDialect:
    """The corrected profile. With `instructions` the system text teaches the format."""

    name = "eva/corrected"
    repairs = True
    native_tools = False

    def __init__(self, *, instructions: bool = False) -> None:
        self.instructions = instructions
        self.default_tools: tuple[str, ...] | None = None if instructions else ("frame_select",)
        self._closings = CLOSINGS_OF_MANY if instructions else CLOSINGS

    def system_text(self, tools: Sequence[Tool], grid: VisualGrid, look_budget: int) -> str:
        """EVA's sentence, or with `instructions` the tools, the cost rule and one example."""
        return eva_instructions(tools, grid, look_budget) if self.instructions else SYSTEM_TEXT

    def user_text(self, question: Question, info: VideoInfo) -> str:
        """Length in whole seconds, short side in pixels, question."""
        return (
            f"Video Length: {max(int(info.duration_seconds), 1)} seconds. "
            f"Original video resolution: {min(info.width, info.height)}p. {question.prompt}"
        )

    def read(
        self, text: str, *, truncated: bool, native_calls: Sequence[NativeCall] = ()
    ) -> Outcome:
        """See `eva_graph.dialects.parsing.read_corrected`."""
        return read_corrected(text, truncated=truncated)

    def parts(self, text: str) -> TurnParts:
        """Split at the headings."""
        return split_parts(text)

    def prepare(
        self,
        call: ToolCall,
        *,
        tools: Mapping[str, Tool],
        info: VideoInfo,
        grid: VisualGrid,
        look_budget: int,
    ) -> PreparedCall:
        """Clamp to the video, then to the budget. Raises `InvalidArguments`."""
        return ToolCallPlan(
            prepare(
                call["tool"],
                call["arguments"],
                tools=tools,
                info=info,
                grid=grid,
                look_budget=look_budget,
            )
        )

    def assistant(
        self, text: str, native_calls: Sequence[NativeCall], message_id: str
    ) -> AnyMessage:
        """The raw text; never `tool_calls`."""
        return AIMessage(content=text, id=message_id)

    def reply(
        self,
        results: Sequence[CallResult],
        *,
        question: Question,
        closing: Closing,
        message_id: str,
    ) -> list[AnyMessage]:
        """One tool message whose frames are numbered across all calls of the turn."""
        content = [text_block("<tool_response>" + _remarks(results)), *frame_blocks(results)]
        return [_tool_message(content, question, self._closings[closing], message_id)]

    def complain(
        self,
        error: str,
        *,
        call_ids: Sequence[str],
        question: Question,
        closing: Closing,
        message_id: str,
    ) -> list[AnyMessage]:
        """A tool message with the error and no frames."""
        content = [text_block(f"<tool_response>Error: {error}")]
        return [_tool_message(content, question, self._closings[closing], message_id)]

    def with_calls(self, text: str, calls: Sequence[ToolCall]) -> str:
        """The prose as it was, then one block with the given calls, one object a line."""
        prose = _BLOCKS.sub("", text).rstrip()
        block = write_block(calls)
        return f"{prose}\n{block}" if prose else block


def write_block(calls: Sequence[ToolCall]) -> str:
    """A `<tool_call>` block with one object a line."""
    objects = "\n".join(write_call(call["tool"], call["arguments"]) for call in calls)
    return f"<tool_call>{objects}</tool_call>"


def frame_blocks(results: Sequence[CallResult], first_number: int = 0) -> list[Block]:
    """Label and image of every frame, numbered from `first_number`, with true-time labels."""
    frames = [frame for result in results for frame in result.frames]
    names = labels([frame.pts_seconds for frame in frames])
    blocks: list[Block] = []
    for index, (frame, name) in enumerate(zip(frames, names, strict=True)):
        newline = "\n" if index else ""
        number = first_number + index
        blocks += [text_block(f"{newline}Frame {number} at [{name}]: "), frame_block(frame)]
    return blocks


def remarks(results: Sequence[CallResult]) -> list[str]:
    """Errors, changes and texts of the calls, naming the call where there are two."""
    lines: list[str] = []
    for index, result in enumerate(results, start=1):
        where = f" in call {index}" if len(results) > 1 else ""
        if result.error is not None:
            lines.append(f"Error{where}: {result.error}")
        lines += [f"Note{where}: {note}" for note in result.notes]
        if result.text:
            lines += [f"Call {index}:", result.text] if where else [result.text]
    return lines


def _remarks(results: Sequence[CallResult]) -> str:
    lines = remarks(results)
    has_frames = any(result.frames for result in results)
    return "\n".join(lines) + ("\n" if lines and has_frames else "")


def _tool_message(
    content: list[Block], question: Question, sentence: str, message_id: str
) -> ToolMessage:
    end = f"\n{sentence}\n\nQuestion: {question.prompt}</tool_response>"
    parts: list[Any] = [*content, text_block(end)]
    return ToolMessage(content=parts, tool_call_id=message_id, id=message_id)
