"""A policy as a judge: is what an episode saw enough to answer its question?

The judge sees the question and the frames of the last look, as EVA's own self-verification does
(arXiv 2603.22918, completeness self-verification), not the answer: it cannot be talked into it.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Protocol

from langchain_core.messages import HumanMessage, SystemMessage

from eva_graph.blocks import Block, frame_block, text_block
from eva_graph.dialects import Question
from eva_graph.policy.protocol import Policy, PolicyRequest
from eva_graph.trajectory import Trajectory
from eva_graph.trajectory.frames import read_ref
from eva_graph_tools import FrameRef, FrameStore, labels

_SYSTEM = (
    "You check whether frames of a video are enough to answer a question about it. "
    "Reply with one word, yes or no."
)
_ASK = "\nAre these frames enough to answer the question with certainty? Reply yes or no."
_VERDICT = re.compile(r"\b(yes|no)\b", re.IGNORECASE)


class Judge(Protocol):
    """Decides whether an episode's evidence suffices."""

    def suffices(self, record: Trajectory, frames: FrameStore) -> bool | None:
        """Whether it does; None where the judge gave no verdict. Raises `PolicyError`."""
        ...


class PolicyJudge:
    """Any policy of ours, asked once an episode at temperature 0."""

    def __init__(self, policy: Policy) -> None:
        self._policy = policy

    def suffices(self, record: Trajectory, frames: FrameStore) -> bool | None:
        """See `Judge`. An episode that saw nothing is not worth asking about: False."""
        shown = last_frames(record)
        if not shown:
            return False
        question = Question(text=record.question, options=record.options).prompt
        parts = [text_block(f"Question: {question}\n"), *labelled_frames(shown)]
        completion = self._policy.generate(
            PolicyRequest(
                messages=[
                    SystemMessage(content=_SYSTEM),
                    HumanMessage(content=[*parts, text_block(_ASK)]),
                ],
                load_frame=frames.read,
                conversation_id=f"judge:{record.trajectory_id}",
                max_new_tokens=16,
            )
        )
        verdict = _VERDICT.search(completion.text)
        return None if verdict is None else verdict[1].lower() == "yes"


def labelled_frames(shown: Sequence[FrameRef]) -> list[Block]:
    """Message parts that show a judge frames, each after its true time."""
    names = labels([ref.pts_seconds for ref in shown])
    pairs = zip(names, shown, strict=True)
    return [
        part
        for name, ref in pairs
        for part in (text_block(f"Frame at [{name}]: "), frame_block(ref))
    ]


def last_frames(record: Trajectory) -> list[FrameRef]:
    """Frames of the last turn that showed any. Raises `TrajectoryError` for what names none."""
    for turn in reversed(record.turns):
        frames = [frame for call in turn.calls for frame in call.frames]
        shown = [read_ref(record, turn.turn, frame.ref) for frame in frames]
        if shown:
            return shown
    return []
