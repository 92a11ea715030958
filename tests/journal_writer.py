"""Writes one run from a process of its own, beside others that do the same."""

from __future__ import annotations

from pathlib import Path

from eva_graph.trajectory import Recorder
from eva_graph.trajectory.journal import append_line


def write_events(run: str, trajectory_id: str, count: int) -> None:
    """`count` events of an episode, each followed by a line in a file that all share."""
    recorder = Recorder(run)
    for turn in range(1, count + 1):
        recorder.append(
            trajectory_id,
            turn=turn,
            kind="plan",
            node="plan",
            attempt=1,
            data={"text": "x" * 3_000},
        )
        append_line(Path(run) / "shared.jsonl", f'{{"id": "{trajectory_id}", "turn": {turn}}}\n')
