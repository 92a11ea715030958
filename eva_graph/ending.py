"""How an episode ends: its last journal event, its record, and the evidence behind an answer."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from langchain_core.messages import AIMessage, AnyMessage

from eva_graph.blocks import blocks_of, frame_of, text_of
from eva_graph.episode import Episode
from eva_graph.errors import ContextOverflow, PolicyError
from eva_graph.recall import keep_answer
from eva_graph.state import EvidenceDict, StopReason
from eva_graph.trajectory.clock import utc_now
from eva_graph_tools import FrameRef

_LABEL = re.compile(r"\[(\d+:\d{2}(?:\.\d{3})?)\]")
_FRAME_LABEL = re.compile(r"Frame \d+ at \[(\d+:\d{2}(?:\.\d{3})?)\]: $")


def finish(
    episode: Episode,
    reason: StopReason,
    *,
    answer: str | None = None,
    evidence: list[EvidenceDict] | None = None,
    error: str | None = None,
    failed_requests: int = 0,
) -> dict[str, Any]:
    """Journal the end, write the record, and return the state update that ends the graph."""
    ending = {
        "answer": answer,
        "stop_reason": reason.value,
        "error": error,
        "evidence": evidence or [],
    }
    keep_answer(episode, answer, evidence or [])
    unread = {"failed_requests": failed_requests, "finished": utc_now()}
    episode.journal(0, "end", {**ending, **unread})
    episode.recorder.finish(episode.trajectory_id)
    episode.emit(0, **ending)
    return ending


def finish_with_error(episode: Episode, error: PolicyError) -> dict[str, Any]:
    """End after a policy failure; everything so far is kept."""
    overflow = isinstance(error, ContextOverflow)
    reason = StopReason.CONTEXT_OVERFLOW if overflow else StopReason.POLICY_ERROR
    return finish(episode, reason, error=str(error), failed_requests=error.requests)


def cited_evidence(messages: Sequence[AnyMessage]) -> list[EvidenceDict]:
    """What the answer rests on: frames whose labels the last message cites.

    Where it cites none, the frames of the last message that showed any. Neighbouring frames of
    one look form one stretch.
    """
    looks = [shown for message in messages if (shown := _labelled_frames(message))]
    if not looks:
        return []
    last = messages[-1]
    cited = set(_LABEL.findall(text_of(last))) if isinstance(last, AIMessage) else set()
    cited_looks = [[frame for label, frame in look if label in cited] for look in looks]
    chosen = [look for look in cited_looks if look] or [[frame for _, frame in looks[-1]]]
    return [_stretch(look) for look in chosen]


def _labelled_frames(message: AnyMessage) -> list[tuple[str, FrameRef]]:
    shown: list[tuple[str, FrameRef]] = []
    label = ""
    for block in blocks_of(message):
        frame = frame_of(block)
        if frame is not None:
            shown.append((label, frame))
            continue
        match = _FRAME_LABEL.search(str(block.get("text", "")))
        label = match.group(1) if match else ""
    return shown


def _stretch(frames: Sequence[FrameRef]) -> EvidenceDict:
    ordered = sorted(frames, key=lambda frame: frame.pts_seconds)
    return EvidenceDict(
        start_seconds=ordered[0].pts_seconds,
        end_seconds=ordered[-1].pts_seconds,
        frames=[frame.to_json() for frame in ordered],
    )
