"""The agent's own graph plays GRPO's episodes against a server; only exact ones count.

An episode whose ids cannot be replayed, or in which the server failed, is played again: it is
never a zero, and never trained on. What is played again is counted. Rollouts of one question
differ by chance alone: requests carry no seed, since one for all turns of an episode would tie
their noise together.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from eva_graph import Context, VideoAgent
from eva_graph.known import Reference
from eva_graph.policy.transport import run_blocking
from eva_graph_training.errors import TrainingError
from eva_graph_training.live.exact import ExactRollouts, NotExact
from eva_graph_training.rollouts import Rollout

ATTEMPTS = 8
"""Times that one rollout is played before the stage stops."""


class GraphRollouts:
    """A `RolloutSource` that plays now.

    Args:
        agent: the graph, on a policy that gives ids and processed log-probabilities.
        context: knobs of every episode; `record` is the run that keeps them.
        exact: makes rollouts of that run's records.
        concurrency: episodes at once.
    """

    def __init__(
        self, agent: VideoAgent, context: Context, exact: ExactRollouts, *, concurrency: int
    ) -> None:
        self._agent = agent
        self._context = context
        self._exact = exact
        self._concurrency = concurrency
        self.played_again: Counter[str] = Counter()
        """Episodes that were no rollouts, by reason, since the source was made."""
        self.played = 0
        """Episodes in all."""

    def rollouts(
        self, rows: Sequence[Mapping[str, Any]], ranks: Sequence[int], step: int
    ) -> list[Rollout]:
        """See `RolloutSource`.

        Raises:
            TrainingError: an episode was no exact rollout `ATTEMPTS` times over.
            EvaGraphError: a video cannot be opened, or the run not be written.
        """
        return run_blocking(lambda: self._all(rows))

    async def _all(self, rows: Sequence[Mapping[str, Any]]) -> list[Rollout]:
        free = asyncio.Semaphore(self._concurrency)
        return await asyncio.gather(*(self._one(row, free) for row in rows))

    async def _one(self, row: Mapping[str, Any], free: asyncio.Semaphore) -> Rollout:
        reason = ""
        for _ in range(ATTEMPTS):
            async with free:
                try:
                    return await self._played(row)
                except NotExact as error:
                    reason = str(error)
            self.played_again[reason] += 1
        raise TrainingError(
            f"no exact rollout of question {row['question_id']} in {ATTEMPTS} attempts, at last: "
            f"{reason}"
        )

    async def _played(self, row: Mapping[str, Any]) -> Rollout:
        self.played += 1
        result = await self._agent.arun(
            row["video"],
            row["question"],
            options=row["options"] or None,
            subtitles=row["subtitles"],
            context=self._of(row),
        )
        return await asyncio.to_thread(self._exact.of_record, result.trajectory, row["prompt"])

    def _of(self, row: Mapping[str, Any]) -> Context:
        reference = Reference(
            expected=row["answer"],
            question_id=row["question_id"],
            time_reference=tuple((start, end) for start, end in row["time_reference"]),
        )
        return replace(self._context, reference=reference)
