"""What rules look at: an episode's looks in plain numbers, taken once from its record."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

from eva_graph.trajectory import Trajectory
from eva_graph.trajectory.frames import read_ref
from eva_graph.trajectory.schema import CallRecord
from eva_graph_tools import FrameRef


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """One call that showed frames.

    Attributes:
        turn: number of the assistant message, from 1.
        start_seconds, end_seconds: the range that was watched, applied values.
        frames: what was shown, in order.
        call: all of the record.
    """

    turn: int
    start_seconds: float
    end_seconds: float
    frames: tuple[FrameRef, ...]
    call: CallRecord

    @classmethod
    def of(cls, turn: int, call: CallRecord, frames: tuple[FrameRef, ...]) -> Look:
        """The look of a call that showed `frames`, at least one."""
        start, end = _range(call, frames)
        return cls(turn=turn, start_seconds=start, end_seconds=end, frames=frames, call=call)

    @property
    def window_seconds(self) -> float:
        """Length of the range."""
        return self.end_seconds - self.start_seconds

    @property
    def frames_per_second(self) -> float:
        """Density over the range; infinite for an instant."""
        return len(self.frames) / self.window_seconds if self.window_seconds > 0 else float("inf")

    def __str__(self) -> str:
        span = f"{self.start_seconds:g}-{self.end_seconds:g} s"
        return f"turn {self.turn}, {self.call.tool} of {span} with {len(self.frames)} frames"


@dataclass(frozen=True, kw_only=True)
class Facts:
    """An episode as rules see it.

    Attributes:
        record: everything.
        faults: names of the faults found so far; empty while faults are being looked for.
        evidence_suffices: what a judge said; None where none was asked.
    """

    record: Trajectory
    faults: tuple[str, ...] = ()
    evidence_suffices: bool | None = None

    @cached_property
    def looks(self) -> tuple[Look, ...]:
        """Calls that showed frames, in order. Raises `TrajectoryError` for what names no frame."""
        return tuple(_looks(self.record))

    @property
    def answered(self) -> bool:
        """Whether there is an answer, right or wrong."""
        return self.record.answer is not None


def _looks(record: Trajectory) -> Iterator[Look]:
    for turn in record.turns:
        for call in turn.calls:
            frames = tuple(read_ref(record, turn.turn, frame.ref) for frame in call.frames)
            if frames:
                yield Look.of(turn.turn, call, frames)


def _range(call: CallRecord, frames: tuple[FrameRef, ...]) -> tuple[float, float]:
    applied = call.applied or {}
    ends = (applied.get("start_time"), applied.get("end_time"))
    if all(isinstance(end, int | float) for end in ends):
        return float(ends[0] or 0.0), float(ends[1] or 0.0)
    times = [frame.pts_seconds for frame in frames]
    return min(times), max(times)
