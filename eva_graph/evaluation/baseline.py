"""The passive baseline: evenly spread frames of the whole video, one policy call, no choice.

It asks the same policy through the same code and leaves the same records, so it is scored, reported
and compared like the agent. Two forms (`eva_graph.evaluation.uniform_frames`):

* `uniform`: one user message with the labelled frames and the question, as video models are asked
  by everybody; no system message, no tool, no format to keep.
* `uniform-look`: the agent's own transcript, its first look made for it: the same frames as a tool
  message after a call that nobody sampled, and the sentence that asks for the answer. For policies
  that know frames only as the answer to a look, as nano does; what differs from the agent is then
  the choice of looks alone.
"""

from __future__ import annotations

import asyncio
import uuid
from dataclasses import replace
from pathlib import Path

from eva_graph.asked import Asked
from eva_graph.dialects import EvaDialect
from eva_graph.driver import run_async
from eva_graph.episode import Episode, NodeRun, Wiring
from eva_graph.errors import EvaGraphError, InvalidRequest
from eva_graph.evaluation.baseline_episode import PassiveDialect, play
from eva_graph.evaluation.failed_episodes import record_failure
from eva_graph.evaluation.questions import EvalQuestion, reference_of
from eva_graph.evaluation.uniform_frames import UniformFrames
from eva_graph.policy_calls import PolicyCalls
from eva_graph.state import AgentState, Context
from eva_graph.trajectory import RunStore, Trajectory
from eva_graph.videos import OpenVideos
from eva_graph_tools import ToolError


class BaselineAsker:
    """Asks every question of the policy once, with evenly spread frames. See the module."""

    def __init__(self, frames: UniformFrames, wiring: Wiring, run: Path, context: Context) -> None:
        """Args:
            frames: which ones.
            wiring: the policy and the videos; the agent's dialect, for the form `uniform-look`.
            run: the run directory.
            context: knobs; those of looks do not apply.

        Raises:
            InvalidRequest: the dialect cannot show a look that nobody asked for.
        """
        if frames.form == "uniform-look" and type(wiring.dialect) is not EvaDialect:
            raise InvalidRequest(
                "--baseline uniform-look needs --dialect eva and --profile corrected: "
                "take uniform, which needs neither"
            )
        passive = replace(wiring, dialect=PassiveDialect())
        self._frames = frames
        self._wiring = passive if frames.form == "uniform" else wiring
        self._context = replace(context, record=str(run))
        self._store = RunStore(run)

    @property
    def videos(self) -> OpenVideos:
        """See `Asker`."""
        return self._wiring.videos

    def check(self) -> None:
        """See `Asker`."""
        _ = self._wiring.policy.info

    async def ask(self, question: EvalQuestion) -> Trajectory:
        """See `Asker`."""
        context = replace(self._context, reference=reference_of(question))
        episode = await asyncio.to_thread(self._episode, question, context)
        try:
            await run_async(play(episode, self._frames), PolicyCalls({}))
        except (ToolError, InvalidRequest) as error:
            return await asyncio.to_thread(self._failed, episode, question, error)
        return await asyncio.to_thread(episode.recorder.trajectory, episode.trajectory_id)

    def _failed(self, episode: Episode, question: EvalQuestion, error: EvaGraphError) -> Trajectory:
        begun = episode.trajectory_id if self._store.journal.events(episode.trajectory_id) else None
        return record_failure(self._store, question, error, episode.context, begun)

    def _episode(self, question: EvalQuestion, context: Context) -> Episode:
        asked = Asked.of(
            question.video, question.question, question.asked_options or None, question.subtitles
        )
        run = NodeRun(
            context=context,
            thread_id=uuid.uuid4().hex,
            namespace="",
            task_id="baseline",
            attempt=1,
            emit=lambda event: None,
        )
        state = AgentState(
            video=asked.video,
            question=asked.question,
            choices=asked.options,
            subtitle_file=asked.subtitles,
        )
        return Episode.of(self._wiring, run, "baseline", state)
