"""The JSON that a transcript becomes."""

from __future__ import annotations

import base64
import json
from pathlib import Path

import pytest
from langchain_core.messages import AIMessage, ToolMessage

from eva_graph.blocks import frames_of, text_block
from eva_graph.policy.delivery import arrange, next_delivery
from eva_graph.policy.wire import WireFormat, to_wire
from eva_graph_tools import FrameMissing


def test_tool_message_carries_text_and_images_in_order(after_look, stored):
    system, user, assistant, tool = to_wire(after_look, stored.load, WireFormat())
    assert system == {"role": "system", "content": "Look closely."}
    assert user == {"role": "user", "content": "Which colour?"}
    assert assistant == {"role": "assistant", "content": after_look[2].content}
    assert (tool["role"], tool["tool_call_id"]) == ("tool", "t:1")
    kinds = [part["type"] for part in tool["content"]]
    assert kinds == ["text", "text", "image_url", "text", "image_url", "text"]


def test_images_are_the_stored_bytes_named_by_their_hash(after_look, stored):
    tool = to_wire(after_look, stored.load, WireFormat())[-1]
    for ref, part in zip(
        frames_of(after_look), (p for p in tool["content"] if p["type"] == "image_url"), strict=True
    ):
        head, _, encoded = part["image_url"]["url"].partition(",")
        assert head == "data:image/png;base64"
        assert base64.b64decode(encoded) == stored.bytes[ref.sha256]
        assert part["uuid"] == ref.sha256


def test_uuid_can_be_left_out(after_look, stored):
    tool = to_wire(after_look, stored.load, WireFormat(media_uuid=False))[-1]
    assert all("uuid" not in part for part in tool["content"])


def test_frames_on_a_shared_disk_go_as_files(after_look, stored, tmp_path):
    shared = WireFormat(frame_path=lambda ref: Path(tmp_path / f"{ref.sha256}.png"))
    tool = to_wire(after_look, stored.load, shared)[-1]
    urls = [part["image_url"]["url"] for part in tool["content"] if part["type"] == "image_url"]
    assert urls == [
        (tmp_path / f"{ref.sha256}.png").resolve().as_uri() for ref in frames_of(after_look)
    ]


def test_a_missing_frame_is_an_error(after_look, stored):
    stored.bytes.clear()
    with pytest.raises(FrameMissing):
        to_wire(after_look, stored.load, WireFormat())


def test_text_only_tool_message_is_a_string(opening, stored):
    error = ToolMessage([text_block("Error: "), text_block("x")], tool_call_id="t:1")
    assert to_wire([*opening, error], stored.load, WireFormat())[-1]["content"] == "Error: x"


def test_user_delivery_puts_labelled_images_after_the_whole_batch(opening, look, stored):
    calls = AIMessage("", tool_calls=[
        {"id": "a", "name": "frame_select", "args": {"nframes": 1}},
        {"id": "b", "name": "frame_select", "args": {"nframes": 2}},
    ])  # fmt: skip
    batch = [look.model_copy(update={"tool_call_id": call_id}) for call_id in "ab"]
    wire = to_wire([*opening, calls, *batch], stored.load, WireFormat(delivery="user"))
    assert [message["role"] for message in wire[2:]] == ["assistant", "tool", "tool", "user"]
    assert wire[3]["content"] == (
        "<tool_response>Frame 0 at [00:01]: \nFrame 1 at [00:02]: "
        "\nQuestion: Which colour?</tool_response>"
    )
    texts = [part.get("text") for part in wire[5]["content"]]
    assert texts == ["\nFrame 0 at [00:01]: ", None, "\nFrame 1 at [00:02]: ", None] * 2


def test_user_only_delivery_leaves_no_tool_message(after_look, look, stored):
    wire = to_wire(after_look, stored.load, WireFormat(delivery="user_only"))
    assert [message["role"] for message in wire] == ["system", "user", "assistant", "user"]
    assert wire[-1]["content"][:2] == [
        {"type": "text", "text": "<tool_response>"},
        {"type": "text", "text": "Frame 0 at [00:01]: "},
    ]


@pytest.mark.parametrize("delivery", ["tool", "user", "user_only"])
def test_no_delivery_loses_or_reorders_an_image(after_look, delivery):
    assert list(frames_of(arrange(after_look, delivery))) == list(frames_of(after_look))


def test_native_calls_keep_their_arguments_even_if_they_were_no_json(opening, stored):
    message = AIMessage(
        "thinking",
        tool_calls=[{"id": "a", "name": "seek", "args": {"time": 3}}],
        invalid_tool_calls=[{"id": "b", "name": "seek", "args": "{time", "error": None}],
    )
    wire = to_wire([*opening, message], stored.load, WireFormat())[-1]
    assert wire["content"] == "thinking"
    assert [call["id"] for call in wire["tool_calls"]] == ["a", "b"]
    assert [json.loads(call["function"]["arguments"]) for call in wire["tool_calls"]] == [
        {"time": 3},
        {"not_json": "{time"},
    ]


def test_deliveries_are_tried_in_order_and_end(after_look, opening):
    assert next_delivery(after_look, "tool") == "user"
    assert next_delivery(after_look, "user") == "user_only"
    assert next_delivery(after_look, "user_only") is None
    assert next_delivery(opening, "tool") is None


def test_results_of_native_calls_stay_tool_messages(opening, look):
    calls = AIMessage("", tool_calls=[{"id": "t:1", "name": "seek", "args": {}}])
    assert next_delivery([*opening, calls, look], "user") is None
