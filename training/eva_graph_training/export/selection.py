"""Which records are exported, and on which side of the split: pure decisions.

Each refusal has a reason in words, which is counted. An episode that was told of earlier ones (see
`eva_graph.memory`) is never exported: what it learned from others would leak into this one. The
side of a record is decided by its video alone, so that no video is on both sides, in this export or
in any other with the same seed.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field, fields
from typing import Literal

from eva_graph.dialects import Question
from eva_graph.errors import InvalidRequest
from eva_graph.trajectory import RecordFilter, Trajectory

Side = Literal["train", "validation"]
SIDES: tuple[Side, Side] = ("train", "validation")
_SPLIT_STEPS = 2**53


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """What a record must be to be exported; the default takes everything.

    Attributes:
        where: conditions as `eva-graph runs` has them.
        without_labels: the record carries none of these.
    """

    where: RecordFilter = field(default_factory=RecordFilter)
    without_labels: frozenset[str] = frozenset()

    def refusal(self, record: Trajectory) -> str | None:
        """The first condition that does not hold, or None."""
        if record.recalled:
            return "a memory told of earlier episodes"
        for name, condition in self._conditions().items():
            if not condition.matches(record):
                return f"filter {name}"
        if not self.without_labels.isdisjoint(record.labels):
            return "filter without labels"
        return None

    def described(self) -> dict[str, str]:
        """The conditions in use, in words, for the card."""
        words = {name: _words(getattr(self.where, _field(name))) for name in self._conditions()}
        if self.without_labels:
            words["without labels"] = _words(self.without_labels)
        return words

    def _conditions(self) -> dict[str, RecordFilter]:
        """Each condition in use as a filter of its own, so that the one that failed is known."""
        return {
            condition.name.replace("_", " "): RecordFilter(**{condition.name: value})
            for condition in fields(RecordFilter)
            if (value := getattr(self.where, condition.name)) not in (None, frozenset())
        }


def _field(name: str) -> str:
    return name.replace(" ", "_")


def _words(value: object) -> str:
    return ", ".join(sorted(value)) if isinstance(value, frozenset) else str(value)


@dataclass(frozen=True, slots=True, kw_only=True)
class Split:
    """Shares videos out between training and validation.

    Attributes:
        train_fraction: share of the videos that train, more than 0 and at most 1.
        seed: another one shares them out differently.

    Raises:
        InvalidRequest: no such share.
    """

    train_fraction: float = 1.0
    seed: int = 0

    def __post_init__(self) -> None:
        if not 0 < self.train_fraction <= 1:
            raise InvalidRequest(f"--split must be above 0 and at most 1: {self.train_fraction}")

    def side(self, video_id: str) -> Side:
        """The side that a video is on, whatever else is exported."""
        digest = hashlib.sha256(f"{self.seed}:{video_id}".encode()).digest()
        drawn = int.from_bytes(digest[:8]) % _SPLIT_STEPS / _SPLIT_STEPS
        return "train" if drawn < self.train_fraction else "validation"


def duplicate_key(record: Trajectory) -> bytes:
    """Equal for episodes with the same video, question and text of every turn."""
    question = Question(text=record.question, options=record.options).prompt
    texts = [turn.text for turn in record.turns]
    seed = json.dumps([record.video.video_id, question, texts])
    return hashlib.sha256(seed.encode()).digest()
