"""`pivot`: single-step RL rows: the logged prefix, and the logged next call as the target.

A policy is asked for one turn and scored by how near its call comes to the logged one
(`eva_graph_training.pivot_score`): no tool runs, no video is opened. One row for every turn that
looked; the prefix holds all frames seen so far. Turns that a person edited are prefixes only.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from datasets import Features, Image, Json, List, Value

from eva_graph.trajectory import Trajectory
from eva_graph_training.export.chat import ChatMessage, transcript
from eva_graph_training.export.frames import FramePlaces, trl_messages
from eva_graph_training.export.row import FormFile, FrameDelivery, Row, Unfit

PIVOT_FEATURES = Features(
    {
        "prompt": List(Json()),
        "images": List(Image()),
        "target": Value("string"),
        "trajectory_id": Value("string"),
        "turn": Value("int64"),
        "video_id": Value("string"),
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class PivotStep:
    """A turn that looked: everything before it, and the calls that it made."""

    turn: int
    prefix: Sequence[ChatMessage]
    calls: Sequence[Mapping[str, Any]]

    @property
    def target(self) -> str:
        """The calls as JSON: `[{"tool": …, "arguments": {…}}, …]`."""
        return json.dumps(list(self.calls), ensure_ascii=False, sort_keys=True)


def pivot_steps(record: Trajectory) -> Iterator[PivotStep]:
    """The turns whose calls ran. Raises `Unfit` where there is none."""
    messages = transcript(record)
    places = [index for index, message in enumerate(messages) if message.role == "assistant"]
    found = False
    for turn, place in zip(record.turns, places, strict=True):
        ran = [call for call in turn.calls if call.error is None]
        if not ran or not turn.own:
            continue
        found = True
        calls = [{"tool": call.tool, "arguments": call.requested} for call in ran]
        yield PivotStep(turn=turn.turn, prefix=messages[:place], calls=calls)
    if not found:
        raise Unfit("no turn of the policy's own looked")


class Pivot:
    """One row for every look of an episode."""

    name = "pivot"
    consumer = "TRL's GRPOTrainer with eva_graph_training.pivot_score.pivot_reward"
    deliveries = (FrameDelivery.PATH, FrameDelivery.INLINE)
    re_encodes = True
    how_to_load = """\
from datasets import load_dataset
from trl import GRPOTrainer

from eva_graph_training.pivot_score import pivot_reward

rows = load_dataset("parquet", data_files="train.parquet", split="train")
GRPOTrainer(train_dataset=rows, reward_funcs=pivot_reward, ...)
"""

    def files(self) -> Sequence[FormFile]:
        """One Parquet file a side."""
        return [FormFile(kind="parquet", features=PIVOT_FEATURES)]

    def rows(self, record: Trajectory, places: FramePlaces) -> Iterable[Row]:
        """One row for each turn whose calls ran. Raises `Unfit`."""
        for step in pivot_steps(record):
            values = {
                "prompt": trl_messages(step.prefix, places),
                "images": [],
                "target": step.target,
                "trajectory_id": record.trajectory_id,
                "turn": step.turn,
                "video_id": record.video.video_id,
            }
            yield Row(values=values, conversation=step.prefix)

    def companions(self, sides: Sequence[str]) -> Mapping[str, str]:
        """None."""
        return {}
