"""Recorded trajectories as rows for TRL.

An SFT row is `{"messages": […], "images": []}`: the transcript as the policy read it, every image
part naming the stored file it was shown. TRL counts images of the `images` column against user
turns only, so it stays empty and the tool parts carry their own payload.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from datasets import Dataset, Features, Image, Json, List

from eva_graph.blocks import frame_of
from eva_graph.trajectory import Trajectory, read_records
from eva_graph_tools import FrameStore

SFT_FEATURES = Features({"messages": List(Json()), "images": List(Image())})
"""Without `Json`, Arrow gives every text part an `image` key, and templates draw an image there."""


def sft_dataset(runs: Sequence[str | Path]) -> Dataset:
    """The answered episodes of the runs, one row each.

    Raises:
        TrajectoryError: a run holds no records.
        FrameMissing: a frame that the policy saw is not in its run any more, or was changed.
    """
    rows: list[dict[str, Any]] = []
    for run in runs:
        store = FrameStore(Path(run) / "frames")
        answered = (record for record in read_records(run) if record.answer is not None)
        rows += [{"messages": messages, "images": []} for messages in _all(answered, store)]
    return Dataset.from_list(rows, features=SFT_FEATURES)


def chat_messages(record: Trajectory, store: FrameStore) -> list[dict[str, Any]]:
    """The transcript in chat form; turns that a person edited carry `train: false`.

    Raises:
        FrameMissing: a frame is not in the store, or not what was stored.
    """
    edited = {turn.turn for turn in record.turns if turn.edited}
    messages: list[dict[str, Any]] = []
    turn = 0
    for message in record.messages:
        parts = _parts(message["content"], store)
        written: dict[str, Any] = {"role": message["role"], "content": parts}
        if message["role"] == "assistant":
            turn += 1
            if turn in edited:
                written["train"] = False
        messages.append(written)
    return messages


def _all(records: Iterable[Trajectory], store: FrameStore) -> Iterable[list[dict[str, Any]]]:
    return (chat_messages(record, store) for record in records)


def _parts(content: str | list[dict[str, Any]], store: FrameStore) -> list[dict[str, Any]]:
    if isinstance(content, str):
        return [{"type": "text", "text": content}]
    return [_part(part, store) for part in content]


def _part(part: dict[str, Any], store: FrameStore) -> dict[str, Any]:
    ref = frame_of(part)
    if ref is None:
        return {"type": "text", "text": part["text"]}
    store.read(ref)
    return {"type": "image", "image": str(store.path(ref).absolute())}
