"""The `native` dialect: the server's own tool calls, for general models.

The tools' JSON schemas are bound to the request, calls come back parsed, and every call id is
answered by one tool message. Prose parts and the answer are written as in the `eva` dialect.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from langchain_core.messages import AIMessage, AnyMessage, HumanMessage, ToolMessage

from eva_graph.blocks import text_block
from eva_graph.dialects.base import CallResult, Closing, PreparedCall, Question
from eva_graph.dialects.eva import CLOSINGS_OF_MANY, EvaDialect, frame_blocks, remarks
from eva_graph.dialects.identity import unique_ids
from eva_graph.dialects.instructions import native_instructions
from eva_graph.dialects.json_values import encodable, printable, strict_json
from eva_graph.dialects.parsing import read_call_object, read_corrected
from eva_graph.dialects.turn import (
    Answer,
    Calls,
    Malformed,
    Outcome,
    ToolCall,
    TurnParts,
    split_parts,
)
from eva_graph.policy.protocol import NativeCall
from eva_graph_tools import Tool, VideoInfo, VisualGrid

NEITHER = (
    "there is no tool call and no answer in this message; "
    "call a tool or write one <answer>…</answer>"
)


class NativeDialect:
    """Tool calls as the OpenAI chat protocol carries them."""

    name = "native"
    default_tools: tuple[str, ...] | None = None
    repairs = True
    native_tools = True

    def system_text(self, tools: Sequence[Tool], grid: VisualGrid, look_budget: int) -> str:
        """The method and the cost rule; the schemas travel beside the messages."""
        return native_instructions(tools, grid, look_budget)

    def user_text(self, question: Question, info: VideoInfo) -> str:
        """As in the `eva` dialect."""
        return EvaDialect().user_text(question, info)

    def read(
        self, text: str, *, truncated: bool, native_calls: Sequence[NativeCall] = ()
    ) -> Outcome:
        """An answer beats calls; calls written as text are not executed."""
        outcome = read_corrected(text, truncated=truncated)
        if isinstance(outcome, Answer) or (truncated and not native_calls):
            return outcome
        if not native_calls:
            return Malformed(error=NEITHER)
        ids = tuple(call.id for call in native_calls)
        calls: list[ToolCall] = []
        for native in native_calls:
            call = _read_call(native)
            if isinstance(call, str):
                return Malformed(error=call, call_ids=ids)
            calls.append(call)
        return Calls(calls=tuple(calls))

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
        """As in the `eva` dialect."""
        return EvaDialect().prepare(
            call, tools=tools, info=info, grid=grid, look_budget=look_budget
        )

    def assistant(
        self, text: str, native_calls: Sequence[NativeCall], message_id: str
    ) -> AnyMessage:
        """Text and calls; calls whose JSON is broken stay as `invalid_tool_calls`."""
        valid: list[Any] = []
        invalid: list[Any] = []
        ids = unique_ids([native.id for native in native_calls], message_id)
        for native, call_id in zip(native_calls, ids, strict=True):
            call = _read_call(native)
            if isinstance(call, str):
                invalid.append(
                    {
                        "id": call_id,
                        "name": encodable(native.name),
                        "args": encodable(native.arguments),
                        "error": call,
                        "type": "invalid_tool_call",
                    }
                )
            else:
                valid.append(
                    {
                        "id": call_id,
                        "name": call["tool"],
                        "args": call["arguments"],
                        "type": "tool_call",
                    }
                )
        return AIMessage(content=text, tool_calls=valid, invalid_tool_calls=invalid, id=message_id)

    def reply(
        self,
        results: Sequence[CallResult],
        *,
        question: Question,
        closing: Closing,
        message_id: str,
    ) -> list[AnyMessage]:
        """One tool message for each call id; frames are numbered across all of them."""
        messages: list[AnyMessage] = []
        shown = 0
        for index, result in enumerate(results):
            lines = remarks([result])
            blocks = [text_block("\n".join(lines) + "\n")] if lines else []
            blocks += frame_blocks([result], shown)
            shown += len(result.frames)
            if index == len(results) - 1:
                blocks.append(text_block(_end(closing, question)))
            content: list[Any] = list(blocks) or [text_block("No frames.")]
            messages.append(
                ToolMessage(
                    content=content,
                    tool_call_id=result.call["id"],
                    id=f"{message_id}:{index}",
                    status="error" if result.error else "success",
                )
            )
        return messages

    def complain(
        self,
        error: str,
        *,
        call_ids: Sequence[str],
        question: Question,
        closing: Closing,
        message_id: str,
    ) -> list[AnyMessage]:
        """The error for every call id; a user message where the policy made no call at all."""
        text = f"Error: {error}{_end(closing, question)}"
        if not call_ids:
            return [HumanMessage(content=text, id=message_id)]
        return [
            ToolMessage(
                content=text, tool_call_id=call_id, id=f"{message_id}:{index}", status="error"
            )
            for index, call_id in enumerate(call_ids)
        ]

    def with_calls(self, text: str, calls: Sequence[ToolCall]) -> str:
        """The prose is unchanged: calls travel beside it."""
        return text


def tool_schemas(tools: Sequence[Tool]) -> list[dict[str, Any]]:
    """The tools as OpenAI function schemas."""
    return [
        {
            "type": "function",
            "function": {
                "name": tool.name,
                "description": tool.description,
                "parameters": tool.json_schema(),
            },
        }
        for tool in tools
    ]


def native_calls_of(calls: Sequence[ToolCall]) -> tuple[NativeCall, ...]:
    """Calls as the server would have given them: used to render a person's edit."""
    return tuple(
        NativeCall(id=call["id"], name=call["tool"], arguments=json.dumps(call["arguments"]))
        for call in calls
    )


def _read_call(native: NativeCall) -> ToolCall | str:
    try:
        arguments = strict_json(native.arguments or "{}")
    except ValueError as error:
        return f"the arguments of {printable(native.name, 60)} are not valid JSON: " + printable(
            str(error)
        )
    call = read_call_object({"tool": native.name, "arguments": arguments})
    return call if isinstance(call, str) else {**call, "id": native.id}


def _end(closing: Closing, question: Question) -> str:
    return f"\n{CLOSINGS_OF_MANY[closing]}\n\nQuestion: {question.prompt}"
