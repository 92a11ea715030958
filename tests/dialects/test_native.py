"""The native dialect: schemas out, parsed calls in, one tool message for every call id."""

from __future__ import annotations

import json
from typing import Any

import pytest
from dialect_parts import arguments_of, block, failed, parts_of, shown, video_info
from langchain_core.messages import AIMessage, ToolMessage

from eva_graph.dialects import (
    Answer,
    Calls,
    EvaDialect,
    Malformed,
    NativeDialect,
    Question,
    ToolCall,
    Truncated,
)
from eva_graph.dialects.native import native_calls_of, tool_schemas
from eva_graph.look import read_outcome
from eva_graph.policy.protocol import NativeCall
from eva_graph_tools import TOOLS, VisualGrid

QUESTION = Question(text="Which colour?")
AGAIN = "\nIf more information is needed, look again.\n\nQuestion: Which colour?"
NOW = (
    "\nNo more looks are possible. Answer now inside <answer></answer>.\n\nQuestion: Which colour?"
)
NOTHING = (
    "there is no tool call and no answer in this message; "
    "call a tool or write one <answer>…</answer>"
)


def native(arguments: Any, *, name: str = "seek", call_id: str = "a") -> NativeCall:
    raw = arguments if isinstance(arguments, str) else json.dumps(arguments)
    return NativeCall(id=call_id, name=name, arguments=raw)


def read(text: str, *calls: NativeCall, truncated: bool = False) -> Any:
    return NativeDialect().read(text, truncated=truncated, native_calls=calls)


def test_schemas() -> None:
    (schema,) = tool_schemas([TOOLS["seek"]])
    assert schema["type"] == "function"
    assert schema["function"]["name"] == "seek"
    assert schema["function"]["description"] == TOOLS["seek"].description
    parameters = schema["function"]["parameters"]
    assert parameters["type"] == "object"
    assert parameters["required"] == ["time"]
    assert set(parameters["properties"]) == {"time", "resize"}
    json.dumps(tool_schemas(list(TOOLS.values())))


def test_opening() -> None:
    text = NativeDialect().system_text(list(TOOLS.values()), VisualGrid(), 9000)
    assert "Then call the tools you chose." in text
    assert "at most 9000" in text
    assert "<tool_call>" not in text
    assert NativeDialect().user_text(QUESTION, video_info()) == EvaDialect().user_text(
        QUESTION, video_info()
    )


def test_calls_keep_their_ids() -> None:
    outcome = read("I look.", native({"time": 3}), native("", name="x", call_id="b"))
    assert outcome == Calls(
        calls=(
            ToolCall(id="a", tool="seek", arguments={"time": 3}),
            ToolCall(id="b", tool="x", arguments={}),
        )
    )


def test_an_answer_beats_calls() -> None:
    assert read("<answer>B</answer>", native({"time": 3})) == Answer(text="B")
    assert read("Answer: B", native({"time": 3})) == Answer(text="B")


def test_calls_written_as_text_are_not_run() -> None:
    assert read(block({"time": 3}, tool="seek")) == Malformed(error=NOTHING)


@pytest.mark.parametrize("text", ["", "I see.", "<answer></answer>"])
def test_no_call(text: str) -> None:
    assert read_outcome(NativeDialect(), text, message_id="m") == Malformed(error=NOTHING)


def test_truncated() -> None:
    assert read("Summary: the", truncated=True) == Truncated()
    assert isinstance(read("", native({"time": 3}), truncated=True), Calls)
    assert read("<answer>B</answer>", truncated=True) == Answer(text="B")


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        ("{", "the arguments of seek are not valid JSON: Expecting property name"),
        ('{"time": NaN}', "the arguments of seek are not valid JSON: nan is not a usable number"),
        ("{} {}", "the arguments of seek are not valid JSON: expected one JSON value, found 2"),
        ("[3]", "the arguments must be a JSON object"),
        ("3", "the arguments must be a JSON object"),
        ("null", "the arguments must be a JSON object"),
        ('"{"', "the arguments are not valid JSON"),
    ],
)
def test_malformed_arguments(arguments: str, error: str) -> None:
    outcome = read("", native({"time": 3}), native(arguments, call_id="b"))
    assert isinstance(outcome, Malformed)
    assert outcome.error.startswith(error)
    assert outcome.call_ids == ("a", "b"), "every id of the turn has to be answered"


def test_arguments_that_are_json_in_a_string() -> None:
    assert arguments_of(read("", native('"{\\"time\\": 3}"'))) == [("seek", {"time": 3})]


@pytest.mark.parametrize("ids", [("", ""), ("a", "a"), ("\ud800", "?")])
def test_missing_and_repeated_ids_are_replaced_alike_everywhere(ids: tuple[str, str]) -> None:
    calls = [native({"time": index}, call_id=call_id) for index, call_id in enumerate(ids)]
    outcome = read_outcome(NativeDialect(), "", message_id="m", native_calls=calls)
    assert isinstance(outcome, Calls)
    numbers = [call["id"] for call in outcome.calls]
    assert len(set(numbers)) == 2
    message = NativeDialect().assistant("", calls, "m")
    assert isinstance(message, AIMessage)
    assert [call["id"] for call in message.tool_calls] == numbers
    broken = read_outcome(
        NativeDialect(),
        "",
        message_id="m",
        native_calls=[*calls[:1], native("{", call_id=ids[1])],
    )
    assert isinstance(broken, Malformed)
    assert list(broken.call_ids) == numbers


def test_the_assistant_message_carries_valid_and_invalid_calls() -> None:
    message = NativeDialect().assistant(
        "I look.", [native({"time": 3}), native("{\ud800", call_id="b")], "m"
    )
    assert isinstance(message, AIMessage)
    assert (message.content, message.id) == ("I look.", "m")
    assert [(call["id"], call["name"], call["args"]) for call in message.tool_calls] == [
        ("a", "seek", {"time": 3})
    ]
    (invalid,) = message.invalid_tool_calls
    assert (invalid["id"], invalid["name"], invalid["args"]) == ("b", "seek", "{?")
    assert invalid["error"] is not None
    assert invalid["error"].startswith("the arguments of seek are not valid JSON")


def test_one_message_for_every_id() -> None:
    results = (
        shown(3.5, 4.5, call_id="a", notes=("a note",)),
        failed("no such range", call_id="b"),
        shown(9.0, call_id="c"),
    )
    messages = NativeDialect().reply(results, question=QUESTION, closing="continue", message_id="m")
    assert [parts_of(message) for message in messages] == [
        ["Note: a note\n", "Frame 0 at [00:03]: ", 3.5, "\nFrame 1 at [00:04]: ", 4.5],
        ["Error: no such range\n"],
        ["Frame 2 at [00:09]: ", 9.0, AGAIN],
    ]
    tools = [message for message in messages if isinstance(message, ToolMessage)]
    assert [(tool.tool_call_id, tool.id, tool.status) for tool in tools] == [
        ("a", "m:0", "success"),
        ("b", "m:1", "error"),
        ("c", "m:2", "success"),
    ]


def test_the_last_permitted_look_asks_for_the_answer() -> None:
    (message,) = NativeDialect().reply(
        [shown(3.0)], question=QUESTION, closing="answer_now", message_id="m"
    )
    assert parts_of(message)[-1] == NOW


def test_a_complaint_answers_every_id() -> None:
    messages = NativeDialect().complain(
        "bad", call_ids=("a", "b"), question=QUESTION, closing="continue", message_id="m"
    )
    assert [message.content for message in messages] == [f"Error: bad{AGAIN}"] * 2
    tools = [message for message in messages if isinstance(message, ToolMessage)]
    assert [(tool.tool_call_id, tool.status) for tool in tools] == [("a", "error"), ("b", "error")]


def test_a_complaint_without_a_call_is_a_user_message() -> None:
    (message,) = NativeDialect().complain(
        NOTHING, call_ids=(), question=QUESTION, closing="answer_now", message_id="m"
    )
    assert (message.type, message.content, message.id) == ("human", f"Error: {NOTHING}{NOW}", "m")


def test_an_edit_travels_beside_the_text() -> None:
    call = ToolCall(id="a", tool="seek", arguments={"time": 3})
    assert NativeDialect().with_calls("I look.", [call]) == "I look."
    assert native_calls_of([call]) == (native({"time": 3}),)
