"""What a look leaves behind: its journal event, and the news for whoever streams."""

from __future__ import annotations

from typing import Any

from langchain_core.messages import AnyMessage

from eva_graph.dialects import CallResult, ToolCall
from eva_graph.episode import Episode
from eva_graph.look import LookReply
from eva_graph.trajectory.messages import message_to_json
from eva_graph_tools import Artifact


def journal_look(
    episode: Episode,
    turn: int,
    reply: LookReply,
    edited: AnyMessage | None,
    sampled: list[ToolCall],
) -> None:
    """Write the look down, beside what the policy had written where a person changed it."""
    episode.journal(
        turn,
        "look",
        {
            "calls": [call_record(result) for result in reply.results],
            "messages": [message_to_json(message) for message in reply.messages],
            "edited": edited is not None,
            "edited_message": message_to_json(edited) if edited is not None else None,
            "sampled_calls": sampled if edited is not None else None,
        },
    )
    episode.emit(turn, looks=[_look_event(result) for result in reply.results])


def call_record(result: CallResult) -> dict[str, Any]:
    """The JSON of a `CallRecord`."""
    frames = zip(result.frames, result.requested_seconds, result.snapped, strict=True)
    return {
        "id": result.call["id"],
        "tool": result.call["tool"],
        "requested": result.call["arguments"],
        "applied": result.applied,
        "estimated_visual_tokens": result.estimated_visual_tokens,
        "visual_tokens": result.visual_tokens,
        "notes": list(result.notes),
        "error": result.error,
        "text": result.text,
        "artifacts": [_artifact(artifact) for artifact in result.artifacts],
        "cached": result.cached,
        "seconds": result.seconds,
        "frames": [
            {"ref": ref.to_json(), "requested_seconds": requested, "snapped": snapped}
            for ref, requested, snapped in frames
        ],
    }


def _look_event(result: CallResult) -> dict[str, Any]:
    return {
        "tool": result.call["tool"],
        "applied": result.applied,
        "error": result.error,
        "notes": list(result.notes),
        "text": result.text,
        "artifacts": [_artifact(artifact) for artifact in result.artifacts],
        "frames": [ref.to_json() for ref in result.frames],
        "visual_tokens": result.visual_tokens,
    }


def _artifact(artifact: Artifact) -> dict[str, Any]:
    return {
        "path": str(artifact.path),
        "media_type": artifact.media_type,
        "start_seconds": artifact.start_seconds,
        "end_seconds": artifact.end_seconds,
    }
