"""Writes whole episodes into a run from a process of its own, and tells which ones are done."""

from __future__ import annotations

from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from eva_graph.trajectory import Recorder, Trajectory

OLD_RECORDS = Path(__file__).with_name("trajectory") / "data" / "version_1.jsonl"


def old_record(number: int = 0) -> Trajectory:
    """A record as version 1 wrote it: number 0 has two looks and token ids, 1 no look at all."""
    line = OLD_RECORDS.read_text(encoding="utf-8").splitlines()[number]
    return Trajectory.from_line(line)


def journal_episode(recorder: Recorder, trajectory_id: str, *, finished: str | None) -> None:
    """The first and, unless `finished` is None, the last event of an episode without a look."""
    start = old_record(1).model_dump(
        mode="json",
        include={"created", "video", "question", "dialect", "tools", "policy", "context"},
    )
    start |= {"versions": {}, "messages": []}
    _append(recorder, trajectory_id, "start", start)
    if finished is not None:
        _append(recorder, trajectory_id, "end", {"stop_reason": "no_answer", "finished": finished})


def write_episodes(run: str, name: str, numbers: range, done: Connection) -> None:
    """Journal and finish episodes `name-number`; each number is sent once its record is written."""
    recorder = Recorder(run)
    for number in numbers:
        trajectory_id = f"{name}-{number:05d}"
        journal_episode(recorder, trajectory_id, finished=f"2026-01-01T00:00:00.{number:06d}+00:00")
        recorder.finish(trajectory_id)
        done.send(number)
    done.close()


def _append(recorder: Recorder, trajectory_id: str, kind: Any, data: dict[str, Any]) -> None:
    recorder.append(trajectory_id, turn=0, kind=kind, node="summary", attempt=1, data=data)
