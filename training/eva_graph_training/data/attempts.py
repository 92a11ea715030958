"""Playing attempts at questions through the real graph, each once, recorded in a run directory.

The record itself says which attempt it is: its question id, and the seed, which is the set's seed
plus the number of the attempt. So a killed run knows what was played from its records alone. An
attempt that failed for its server's sake is played again; one that died half-way, too.
"""

from __future__ import annotations

import threading
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

from eva_graph.episode import Wiring
from eva_graph.graph import compile_graph
from eva_graph.known import Reference
from eva_graph.policy.protocol import Policy
from eva_graph.state import AgentInput, Context
from eva_graph.trajectory import RunStore, Trajectory
from eva_graph_training.data.guided import GuidedPolicy
from eva_graph_training.data.tasks import Task
from eva_graph_training.errors import DataError

MAX_FAILURES_IN_A_ROW: Final = 10
POLICY_ERROR: Final = "policy_error"


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """One try at a question, counted from 0."""

    key: str
    number: int


class Player:
    """Plays attempts into one run directory. Safe for threads.

    Args:
        wiring: policy, dialect, tools and videos of every attempt.
        run: the run directory.
        context: knobs of every attempt; `record`, `seed` and `reference` are set here.
        seed: of the set.
    """

    def __init__(self, wiring: Wiring, run: Path, *, context: Context, seed: int) -> None:
        self.store = RunStore(run)
        self._wiring = wiring
        self._context = replace(context, record=str(run))
        self._seed = seed
        self._lock = threading.Lock()
        self._failures = 0

    @property
    def policy(self) -> Policy:
        """Who plays."""
        return self._wiring.policy

    def recover(self) -> None:
        """Write the records of attempts that only the journal knows to be over.

        Raises:
            TrajectoryError: the run cannot be read or mended.
        """
        if self.store.run.exists():
            self.store.recover()

    def played(self) -> Iterator[tuple[Attempt, Trajectory]]:
        """The attempts on record.

        Whoever asks decides about attempts whose policy failed (`POLICY_ERROR`): such an attempt
        can be there several times.

        Raises:
            TrajectoryError: a record cannot be read.
        """
        if not len(self.store):
            return
        for record in self.store.records():
            attempt = self.attempt_of(record)
            if attempt is not None:
                yield attempt, record

    def attempt_of(self, record: Trajectory) -> Attempt | None:
        """Which attempt a record is; None where it is none of this set's."""
        seed = record.context.get("seed")
        if record.question_id is None or not isinstance(seed, int) or seed < self._seed:
            return None
        return Attempt(key=record.question_id, number=seed - self._seed)

    def play(self, task: Task, number: int, guidance: str | None = None) -> Trajectory:
        """One attempt.

        Raises:
            DataError: the policy failed in too many attempts, one after the other.
            EvaGraphError: the video is gone, or the record cannot be written.
        """
        policy = self.policy if guidance is None else GuidedPolicy(self.policy, guidance)
        graph = compile_graph(replace(self._wiring, policy=policy))
        thread_id = uuid.uuid4().hex
        asked: Any = AgentInput(
            video=task.question.video,
            question=task.question.question,
            options=task.question.asked_options or None,
            subtitles=task.question.subtitles,
        )
        done = graph.invoke(
            asked,
            {
                "configurable": {"thread_id": thread_id},
                # Four nodes a turn; the limit of turns is ours and must come first.
                "recursion_limit": 4 * self._context.max_turns + 4,
            },
            context=self._knobs(task, number),
        )
        recorder = self._wiring.recorders.of(self._context.record, thread_id)
        record = recorder.trajectory(done["trajectory_id"])
        self._count(record)
        return record

    def _knobs(self, task: Task, number: int) -> Context:
        question = task.question
        reference = Reference(
            expected=question.answer,
            question_id=question.question_id,
            time_reference=question.time_reference,
        )
        return replace(self._context, seed=self._seed + number, reference=reference)

    def _count(self, record: Trajectory) -> None:
        with self._lock:
            failed = record.stop_reason == POLICY_ERROR
            self._failures = self._failures + 1 if failed else 0
            if self._failures >= MAX_FAILURES_IN_A_ROW:
                raise DataError(
                    f"the policy failed {self._failures} times in a row: {record.error}; "
                    "mend it and run the same command again to go on"
                )
