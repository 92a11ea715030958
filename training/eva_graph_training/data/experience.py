"""The experience bank: what made earlier episodes succeed, found again by likeness of questions.

A success is put into words by the teacher itself, in one bounded call, or by rule: what was asked,
what was looked at, what it cost (arXiv 2603.22918, "Experience Bank" of the cold-start pipeline).
What is retrieved never comes from the same video, so no answer can leak. Likeness is the cosine of
the questions' words weighed by their rarity (`likeness`); equal ones keep their order.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

from langchain_core.messages import HumanMessage, SystemMessage

from eva_graph.errors import PolicyError
from eva_graph.policy.protocol import Policy, PolicyRequest
from eva_graph.trajectory import RunStore, Trajectory
from eva_graph_training.data.ledger import Ledger
from eva_graph_training.data.likeness import Rarity, plain_words
from eva_graph_training.errors import DataError
from eva_graph_training.labels import Facts

MAX_CHARACTERS: Final = 600
"""Of one experience."""
_MAX_NEW_TOKENS: Final = 200
SUMMARY_SYSTEM: Final = (
    "You write down what made an episode of a video agent succeed, for others who get similar "
    "questions about other videos. At most three sentences: which looks, in what order, why. "
    "Do not tell the answer."
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Experience:
    """One success: the question it answered, the video it was about, and what to learn from it."""

    question_id: str
    video_id: str
    question: str
    text: str
    by: str
    """`teacher` or `rule`."""


class ExperienceBank:
    """Experiences in a file of JSON lines. Safe for threads."""

    def __init__(self, path: Path) -> None:
        """Read what is there. Raises `DataError` where it is damaged."""
        self._ledger = Ledger(path)
        self._lock = threading.Lock()
        self._rarity = Rarity()
        self._held: dict[str, tuple[Experience, frozenset[str]]] = {}
        for row in self._ledger.rows():
            try:
                self._hold(Experience(**row))
            except TypeError as error:
                raise DataError(f"{path} holds no experiences: {error}") from None

    def __len__(self) -> int:
        return len(self._held)

    def __contains__(self, question_id: object) -> bool:
        return question_id in self._held

    def __iter__(self) -> Iterator[Experience]:
        return iter([experience for experience, _ in self._held.values()])

    def add(self, experience: Experience) -> None:
        """Keep one; a question's first stays. Raises `DataError` where it cannot be written."""
        with self._lock:
            if experience.question_id not in self._held:
                self._ledger.append(asdict(experience))
                self._hold(experience)

    def similar(self, question: str, *, video_id: str, count: int) -> list[Experience]:
        """Those with the questions most alike, none of the same video, none wholly unlike."""
        with self._lock:
            asked = frozenset(plain_words(question))
            scored = [
                (-self._rarity.likeness(asked, words), place, experience)
                for place, (experience, words) in enumerate(self._held.values())
                if experience.video_id != video_id
            ]
        best = sorted((item for item in scored if item[0] < 0), key=lambda item: item[:2])
        return [experience for _, _, experience in best[:count]]

    def _hold(self, experience: Experience) -> None:
        words = frozenset(plain_words(experience.question))
        self._rarity.add(words)
        self._held[experience.question_id] = (experience, words)


def summarise(record: Trajectory, store: RunStore, teacher: Policy | None) -> Experience:
    """A success in words: the teacher's, or by rule where it is None, fails or says nothing.

    Raises:
        TrajectoryError: the record names no frame where it must.
    """
    told = None if teacher is None else _told(record, store, teacher)
    return Experience(
        question_id=record.question_id or record.trajectory_id,
        video_id=record.video.video_id,
        question=record.question,
        text=told or by_rule(record),
        by="teacher" if told else "rule",
    )


def by_rule(record: Trajectory) -> str:
    """What was asked, what was looked at in which order, and what it cost."""
    looks = Facts(record=record).looks
    listed = "; then ".join(
        f"{look.start_seconds:g}-{look.end_seconds:g} s with {len(look.frames)} frames of "
        f"{look.frames[0].width}x{look.frames[0].height} pixels"
        for look in looks
    )
    kind = "multiple-choice" if record.options else "open"
    text = (
        f'{kind} question "{record.question}" on {record.video.duration_seconds:.0f} s of video: '
        f"{len(looks)} looks, {listed}; {record.usage.visual_tokens} visual tokens in all."
    )
    return _one_line(text)


def _told(record: Trajectory, store: RunStore, teacher: Policy) -> str | None:
    turns = "\n".join(f"Turn {turn.turn}: {turn.text}" for turn in record.turns)
    request = PolicyRequest(
        messages=[
            SystemMessage(content=SUMMARY_SYSTEM),
            HumanMessage(content=f"Question: {record.question}\n{turns}"),
        ],
        load_frame=store.frames.read,
        conversation_id=f"experience:{record.trajectory_id}",
        max_new_tokens=_MAX_NEW_TOKENS,
    )
    try:
        return _one_line(teacher.generate(request).text)
    except PolicyError:
        return None  # the rule's form says enough; nothing of the set depends on this call


def _one_line(text: str) -> str:
    plain = " ".join(text.split())
    return plain if len(plain) <= MAX_CHARACTERS else plain[: MAX_CHARACTERS - 1] + "…"
