"""The frames that a record names."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from eva_graph.blocks import frame_of
from eva_graph.errors import TrajectoryError
from eva_graph.trajectory.schema import Trajectory
from eva_graph_tools import FrameRef


def frame_refs(record: Trajectory) -> Iterator[FrameRef]:
    """Every frame of the messages and of the calls, in order, repeated where it was shown again.

    Raises:
        TrajectoryError: a reference cannot be read.
    """
    for message in record.messages:
        yield from message_frames(record, message)
    for turn in record.turns:
        for call in turn.calls:
            for frame in call.frames:
                yield read_ref(record, turn.turn, frame.ref)


def message_frames(record: Trajectory, message: dict[str, Any]) -> list[FrameRef]:
    """Frames of one message's image parts. Raises `TrajectoryError` for one that names none."""
    content = message["content"]
    if isinstance(content, str):
        return []
    try:
        return [ref for part in content if (ref := frame_of(part)) is not None]
    except (KeyError, TypeError, ValueError) as error:
        raise TrajectoryError(
            f"record {record.trajectory_id}: message {message.get('id')} has an image part that "
            f"names no frame: {error!r}"
        ) from None


def read_ref(record: Trajectory, turn: int, value: dict[str, Any]) -> FrameRef:
    """The reference of a call's frame. Raises `TrajectoryError` for what is none."""
    try:
        return FrameRef.from_json(value)
    except ValueError as error:
        raise TrajectoryError(f"record {record.trajectory_id}: turn {turn}: {error}") from None
