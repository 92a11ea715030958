"""Messages as plain JSON and back: what a record keeps of the transcript."""

from __future__ import annotations

from typing import Any

from langchain_core.messages import (
    AIMessage,
    AnyMessage,
    HumanMessage,
    SystemMessage,
    ToolMessage,
)

from eva_graph.errors import TrajectoryError

_ROLES = {
    SystemMessage: "system",
    HumanMessage: "user",
    AIMessage: "assistant",
    ToolMessage: "tool",
}


def message_to_json(message: AnyMessage) -> dict[str, Any]:
    """Role, content (text, or text and image parts), id, and native calls where there are any."""
    data: dict[str, Any] = {
        "role": _ROLES[type(message)],
        "content": message.content,
        "id": message.id,
    }
    if isinstance(message, AIMessage) and (message.tool_calls or message.invalid_tool_calls):
        data["tool_calls"] = [dict(call) for call in message.tool_calls]
        data["invalid_tool_calls"] = [dict(call) for call in message.invalid_tool_calls]
    if isinstance(message, ToolMessage):
        data["tool_call_id"] = message.tool_call_id
        data["status"] = message.status
    return data


def message_from_json(data: dict[str, Any]) -> AnyMessage:
    """The message that `message_to_json` wrote. Raises `TrajectoryError` for an unknown role."""
    content, identity = data["content"], data.get("id")
    match data["role"]:
        case "system":
            return SystemMessage(content=content, id=identity)
        case "user":
            return HumanMessage(content=content, id=identity)
        case "assistant":
            return AIMessage(
                content=content,
                id=identity,
                tool_calls=data.get("tool_calls", []),
                invalid_tool_calls=data.get("invalid_tool_calls", []),
            )
        case "tool":
            return ToolMessage(
                content=content,
                id=identity,
                tool_call_id=data["tool_call_id"],
                status=data.get("status", "success"),
            )
        case role:
            raise TrajectoryError(f"unknown message role {role!r} in a trajectory record")
