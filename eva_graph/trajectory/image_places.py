"""A record's transcript by turns: its image places, the text before each, and the calls' frames."""

from __future__ import annotations

from dataclasses import dataclass, field

from eva_graph.blocks import frame_of
from eva_graph.errors import TrajectoryError
from eva_graph.trajectory.frames import read_ref
from eva_graph.trajectory.schema import Trajectory
from eva_graph_tools import FrameRef


@dataclass(frozen=True, slots=True, kw_only=True)
class ImagePlace:
    """An image part: the frame it names, its message, and the text part right before it."""

    ref: FrameRef
    message: int
    text_before: str


@dataclass(slots=True, kw_only=True)
class TurnPlaces:
    """What one turn's look showed; turn 0 is the opening."""

    turn: int
    texts: list[str] = field(default_factory=list)
    """Every text part, the assistant's own included."""
    places: list[ImagePlace] = field(default_factory=list)
    called: list[FrameRef] = field(default_factory=list)
    """Frames of the turn's calls, in call order."""


def turn_places(record: Trajectory) -> list[TurnPlaces]:
    """The opening, then every turn. An assistant message begins a turn.

    Raises:
        TrajectoryError: an image part or a call's frame names no frame.
    """
    turns = [TurnPlaces(turn=0)]
    for number, message in enumerate(record.messages):
        if message["role"] == "assistant":
            turns.append(TurnPlaces(turn=len(turns)))
        _add_message(record, turns[-1], number)
    turns[0].called = [
        read_ref(record, 0, frame.ref) for call in record.opening_looks for frame in call.frames
    ]
    for turn in record.turns:
        called = [read_ref(record, turn.turn, frame.ref) for call in turn.calls
                  for frame in call.frames]  # fmt: skip
        if turn.turn < len(turns):
            turns[turn.turn].called = called
        elif called:
            raise TrajectoryError(
                f"record {record.trajectory_id}: turn {turn.turn} has calls and no message"
            )
    return turns


def _add_message(record: Trajectory, turn: TurnPlaces, number: int) -> None:
    content = record.messages[number]["content"]
    if isinstance(content, str):
        turn.texts.append(content)
        return
    before = ""
    for part in content:
        try:
            ref = frame_of(part)
            text = "" if ref is not None else part["text"]
        except (KeyError, TypeError, ValueError) as error:
            raise TrajectoryError(
                f"record {record.trajectory_id}: turn {turn.turn}: a part of its messages is "
                f"neither text nor a frame: {error!r}"
            ) from None
        if ref is None:
            turn.texts.append(text)
        else:
            turn.places.append(ImagePlace(ref=ref, message=number, text_before=before))
        before = text
