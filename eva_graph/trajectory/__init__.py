"""A log that keeps every look losslessly: journal while it runs, record when it is done."""

from __future__ import annotations

from eva_graph.trajectory.filters import RecordFilter
from eva_graph.trajectory.integrity import check_record, require_sound
from eva_graph.trajectory.recorder import Recorder, Recorders, read_records
from eva_graph.trajectory.schema import TRAJECTORY_VERSION, Trajectory
from eva_graph.trajectory.store import RunStore
from eva_graph.trajectory.violations import Violation, ViolationKind

__all__ = [
    "TRAJECTORY_VERSION",
    "RecordFilter",
    "Recorder",
    "Recorders",
    "RunStore",
    "Trajectory",
    "Violation",
    "ViolationKind",
    "check_record",
    "read_records",
    "require_sound",
]
