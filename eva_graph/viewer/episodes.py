"""What the page tells of an episode: a row of the list, and all that is shown once it is opened.

The opened form keeps the record's own field names. Frames become indices into one list, so that
each stands there once; token ids are left out.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from pathlib import PurePath
from typing import Any, Literal

from eva_graph.result import chosen_option
from eva_graph.trajectory.schema import Trajectory, TurnRecord
from eva_graph.viewer.ranges import looked_at
from eva_graph_tools import FrameRef

Verdict = Literal["right", "wrong", "unknown"]


class FrameList:
    """The frames of an episode, each distinct reference once, in the order of their first use."""

    def __init__(self) -> None:
        self.refs: list[FrameRef | None] = []
        """None stands for a reference that cannot be read."""
        self._numbers: dict[str, int] = {}

    def number(self, reference: object) -> int:
        """Index of a frame."""
        key = json.dumps(reference, sort_keys=True)
        if key not in self._numbers:
            self._numbers[key] = len(self.refs)
            self.refs.append(_read(reference))
        return self._numbers[key]


def _read(reference: object) -> FrameRef | None:
    if not isinstance(reference, dict):
        return None
    try:
        return FrameRef.from_json(reference)
    except ValueError:
        return None


def verdict(trajectory: Trajectory) -> Verdict:
    """Whether the answer was right; unknown without an expected one, or before the end."""
    if trajectory.correct is None or trajectory.stop_reason is None:
        return "unknown"
    return "right" if trajectory.correct else "wrong"


def answer_of(trajectory: Trajectory) -> tuple[str | None, str | None]:
    """The answer and its text: with options the letter and that option, else the answer twice."""
    answer = trajectory.answer
    if answer is None:
        return None, None
    letter = chosen_option(answer, trajectory.options) if trajectory.options else None
    return (letter, trajectory.options[letter]) if letter else (answer, answer)


def row(trajectory: Trajectory) -> dict[str, Any]:
    """What the list shows and filters by, as plain JSON."""
    answer, answer_text = answer_of(trajectory)
    usage = trajectory.usage
    value = {
        "id": trajectory.trajectory_id,
        "answer": answer,
        "answer_text": answer_text,
        "stop": trajectory.stop_reason or "unfinished",
        "verdict": verdict(trajectory),
        "turns": len(trajectory.turns),
        "frames": usage.frames,
        "visual_tokens": usage.visual_tokens,
        "prompt_tokens": usage.last_prompt_tokens,
        "seconds": usage.policy_seconds + usage.look_seconds,
        "looks": _stretches(trajectory.turns),
        "evidence": [[e.get("start_seconds"), e.get("end_seconds")] for e in trajectory.evidence],
        "edited": any(turn.edited for turn in trajectory.turns),
        "labels": trajectory.labels,
        "policy": trajectory.policy.name,
    }
    return _plain_object(value)


def subject(trajectory: Trajectory) -> dict[str, Any]:
    """What was asked about which video; two runs' episodes on one subject stand side by side."""
    video = trajectory.video
    value = {
        "question": trajectory.question,
        "video": PurePath(video.path.replace("\\", "/")).name or video.path,
        "duration": video.duration_seconds,
    }
    return _plain_object(value)


def detail(trajectory: Trajectory, frames: FrameList) -> dict[str, Any]:
    """Everything that is shown of an opened episode, as plain JSON; fills `frames`."""
    answer, answer_text = answer_of(trajectory)
    value = trajectory.model_dump(exclude={"messages", "turns", "evidence", "tool_schemas"})
    value["stop_reason"] = trajectory.stop_reason or "unfinished"
    value["verdict"] = verdict(trajectory)
    value["answer"], value["answer_text"] = answer, answer_text
    value["messages"] = [_message(message, frames) for message in trajectory.messages]
    value["turns"] = [_turn(turn, frames) for turn in trajectory.turns]
    value["evidence"] = [
        {**item, "frames": [frames.number(ref) for ref in _list(item.get("frames"))]}
        for item in trajectory.evidence
    ]
    return _plain_object(value)


def _plain_object(value: Mapping[str, Any]) -> dict[str, Any]:
    return {key: plain(item) for key, item in value.items()}


def plain(value: Any) -> Any:
    """JSON that every reader takes: what is not finite becomes null."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dict):
        return _plain_object(value)
    return [plain(item) for item in value] if isinstance(value, list | tuple) else value


def _turn(turn: TurnRecord, frames: FrameList) -> dict[str, Any]:
    value = turn.model_dump(exclude={"calls", "tokens"})
    value["prefix_ok"] = None if turn.tokens is None else turn.tokens.prefix_ok
    value["calls"] = [
        {
            **call.model_dump(exclude={"frames"}),
            "range": looked_at(call),
            "frames": [
                {
                    "frame": frames.number(shown.ref),
                    "requested_seconds": shown.requested_seconds,
                    "snapped": shown.snapped,
                }
                for shown in call.frames
            ],
        }
        for call in turn.calls
    ]
    return value


def _message(message: dict[str, Any], frames: FrameList) -> dict[str, Any]:
    """Role and parts of a message: texts, and numbers of frames."""
    content = message.get("content") or ""
    parts = content if isinstance(content, list) else [{"text": content}]
    return {
        "role": message.get("role"),
        "parts": [_part(part, frames) for part in parts],
        "tool_calls": _list(message.get("tool_calls")),
    }


def _part(part: object, frames: FrameList) -> str | int:
    if not isinstance(part, dict):
        return str(part)
    if part.get("type") == "image":
        extras = part.get("extras")
        return frames.number(extras.get("frame") if isinstance(extras, dict) else None)
    return str(part.get("text", ""))


def _list(value: object) -> list[Any]:
    """What a record may hold in any form, as a list."""
    return value if isinstance(value, list) else []


def _stretches(turns: Sequence[TurnRecord]) -> list[list[float]]:
    """Start, end, turn and number of frames of every look that ran."""
    return [
        [*stretch, turn.turn, len(call.frames)]
        for turn in turns
        for call in turn.calls
        if call.error is None and (stretch := looked_at(call)) is not None
    ]
