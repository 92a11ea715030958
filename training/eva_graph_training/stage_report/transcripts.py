"""Sample episodes of the trained model: what was written, what was looked at, small pictures.

What is told of an episode is what the viewer's page tells (`eva_graph.viewer.episodes`).
"""

from __future__ import annotations

import base64
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

from eva_graph.trajectory import RunStore, Trajectory
from eva_graph.viewer.episodes import FrameList, detail, subject
from eva_graph.viewer.thumbnails import thumbnail
from eva_graph_tools import FrameStore

_FRAMES_OF_A_LOOK = 16


def transcripts(run: Path, count: int) -> list[dict[str, Any]]:
    """The first episodes of a run, as plain JSON; pictures are WebP in base64.

    Raises:
        TrajectoryError: a record cannot be read.
    """
    store = RunStore(run)
    return [_transcript(record, store.frames) for record in islice(store.records(), count)]


def _transcript(record: Trajectory, store: FrameStore) -> dict[str, Any]:
    frames = FrameList()
    told = detail(record, frames)
    pictures = dict(_pictures(frames, store))
    turns = [
        {
            "text": turn["text"],
            "looks": [_look(call, pictures) for call in turn["calls"]],
            "error": turn["error"],
        }
        for turn in told["turns"]
    ]
    return {
        **subject(record),
        "options": record.options,
        "expected": record.expected,
        "answer": told["answer"],
        "answer_text": told["answer_text"],
        "verdict": told["verdict"],
        "stop_reason": told["stop_reason"],
        "turns": turns,
    }


def _look(call: dict[str, Any], pictures: dict[int, dict[str, Any]]) -> dict[str, Any]:
    shown = [frame["frame"] for frame in call["frames"]]
    return {
        "tool": call["tool"],
        "arguments": call["applied"] or call["requested"],
        "error": call["error"],
        "frames": len(shown),
        "pictures": [pictures[number] for number in shown[:_FRAMES_OF_A_LOOK]
                     if number in pictures],
    }  # fmt: skip


def _pictures(frames: FrameList, store: FrameStore) -> Iterator[tuple[int, dict[str, Any]]]:
    for number, ref in enumerate(frames.refs):
        data = None if ref is None else thumbnail(ref, store)
        if ref is not None and data is not None:
            text = base64.b64encode(data).decode("ascii")
            yield number, {"pts_seconds": ref.pts_seconds, "webp": text}
