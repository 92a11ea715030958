"""An `Asker` turns one question into one record of a run: here, the agent's episode.

The passive baseline is another (`eva_graph.evaluation.baseline`); `make_asker` makes either from
plain values, in any process.
"""

from __future__ import annotations

import asyncio
from contextlib import aclosing
from dataclasses import replace
from pathlib import Path
from typing import Any, Protocol

from eva_graph.agent import VideoAgent
from eva_graph.errors import InvalidRequest
from eva_graph.evaluation.baseline import BaselineAsker
from eva_graph.evaluation.failed_episodes import record_failure
from eva_graph.evaluation.plan import EvaluationSettings
from eva_graph.evaluation.questions import EvalQuestion, reference_of
from eva_graph.evaluation.uniform_frames import UniformFrames
from eva_graph.graph import wire
from eva_graph.policy.protocol import Policy
from eva_graph.result import RunResult
from eva_graph.state import Context
from eva_graph.trajectory import RunStore, Trajectory
from eva_graph.videos import OpenVideos
from eva_graph_tools import ToolError


class Asker(Protocol):
    """Asks one question. Safe for many at once."""

    @property
    def videos(self) -> OpenVideos:
        """How the videos are opened, and those that are open."""
        ...

    def check(self) -> None:
        """Raises `PolicyError` where the policy cannot be reached: nothing could be answered."""
        ...

    async def ask(self, question: EvalQuestion) -> Trajectory:
        """Ask; the record is in the run when this returns.

        What a policy or a video does wrong is in the record.

        Raises:
            EvaGraphError: what no other question would survive, e.g. a full disk.
        """
        ...


class AgentAsker:
    """Asks the agent; its records and frames go to a run directory."""

    def __init__(
        self, agent: VideoAgent, run: Path, *, videos: OpenVideos, context: Context | None = None
    ) -> None:
        """`videos` are those that the agent was made with."""
        self.videos = videos
        self._agent = agent
        self._store = RunStore(run)
        self._context = replace(context or Context(), record=str(run))

    def check(self) -> None:
        """See `Asker`."""
        _ = self._agent.policy.info

    async def ask(self, question: EvalQuestion) -> Trajectory:
        """See `Asker`."""
        context = replace(self._context, reference=reference_of(question))
        steps = self._agent.astream(
            question.video,
            question.question,
            options=question.asked_options or None,
            subtitles=question.subtitles,
            context=context,
        )
        trajectory_id = None
        try:
            async with aclosing(steps):
                async for item in steps:
                    if isinstance(item, RunResult):
                        return item.trajectory
                    trajectory_id = item.trajectory_id
        except (ToolError, InvalidRequest) as error:
            failure = error
        else:
            raise AssertionError("a stream ends with its result")
        return await asyncio.to_thread(
            record_failure, self._store, question, failure, context, trajectory_id
        )


def context_of(settings: EvaluationSettings) -> Context:
    """The knobs of every episode that the settings ask for."""
    return Context(
        max_turns=settings.max_turns,
        max_new_tokens=settings.max_new_tokens,
        look_budget=settings.look_budget,
        episode_visual_budget=settings.episode_visual_budget,
        calls=settings.calls,
    )


def make_asker(
    settings: EvaluationSettings, policy: Policy, run: Path, *, isolated: bool = False
) -> Asker:
    """What asks as the settings say.

    Args:
        settings: of the evaluation's plan.
        policy: what answers; `eva_graph.policy.resolve.resolve_policy` makes it.
        run: the run directory.
        isolated: read videos in worker processes.

    Raises:
        InvalidRequest: the settings do not fit together.
    """
    videos = OpenVideos(0, isolated=isolated)  # ask_videos keeps open what is being asked about
    context = context_of(settings)
    chosen: dict[str, Any] = {
        "dialect": settings.dialect,
        "profile": settings.profile,
        "instructions": settings.instructions,
        "tools": settings.tools,
        "videos": videos,
    }
    if settings.baseline is None:
        agent = VideoAgent(policy, **chosen)
        return AgentAsker(agent, run, videos=videos, context=context)
    frames = UniformFrames.parse(settings.baseline)
    return BaselineAsker(frames, wire(policy, **chosen), run, context)
