"""A log that keeps every look losslessly: journal while it runs, record when it is done."""

from __future__ import annotations

from eva_graph.trajectory.recorder import Recorder, Recorders, read_records
from eva_graph.trajectory.schema import TRAJECTORY_VERSION, Trajectory

__all__ = ["TRAJECTORY_VERSION", "Recorder", "Recorders", "Trajectory", "read_records"]
