"""`VideoAgent`: ask a video a question from Python.

    result = VideoAgent().run("talk.mp4", "What colour is the speaker's tie at 12:30?")
    result.answer, result.evidence, result.turns, result.usage

A thin face of the graph: every run is one episode of `agent.graph`, and the result is read from
its trajectory record.
"""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncGenerator, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import replace
from os import PathLike, fspath
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from eva_graph.asked import Asked, Options
from eva_graph.dialects import Dialect
from eva_graph.graph import VideoGraph, compile_graph, wire
from eva_graph.memory import VideoMemory
from eva_graph.result import RunResult
from eva_graph.state import AgentInput, Context
from eva_graph.steps import Step
from eva_graph.trajectory import Recorder
from eva_graph.videos import OpenVideos
from eva_graph_tools import FrameStore

if TYPE_CHECKING:
    from langchain_core.language_models import BaseChatModel
    from langchain_core.tools import BaseTool

    from eva_graph.policy.protocol import Policy

PathLikeStr: TypeAlias = str | PathLike[str]


class VideoAgent:
    """Answers questions about videos. Safe for many concurrent runs.

    Args:
        policy: None for the embedded nano (CPU, no server), a server's base URL
            (`http://localhost:8000/v1`), a model folder, any LangChain chat model, or a `Policy`.
        model: model name at the server; asked from it when None.
        dialect, profile, instructions, tools: see `build_graph`.
        context: knobs for runs that give none.
        frames: where frames of unrecorded runs go; None for the user's cache.
        videos: how videos are opened, for example `OpenVideos(isolated=True)`.
        memory: notes of videos across questions, for example `VideoMemory(InMemoryStore())`.

    Raises:
        EvaGraphError: a part cannot be made; one line that says what to do.
    """

    def __init__(
        self,
        policy: str | PathLike[str] | Policy | BaseChatModel | None = None,
        *,
        model: str | None = None,
        dialect: str | Dialect = "eva",
        profile: Literal["corrected", "reference"] = "corrected",
        instructions: bool = False,
        tools: Sequence[str] | None = None,
        context: Context | None = None,
        frames: FrameStore | None = None,
        videos: OpenVideos | None = None,
        memory: VideoMemory | None = None,
    ) -> None:
        self._wiring = wire(
            policy,
            model=model,
            dialect=dialect,
            profile=profile,
            instructions=instructions,
            tools=tools,
            context=context,
            frames=frames,
            videos=videos,
            memory=memory,
        )
        self.graph: VideoGraph = compile_graph(self._wiring)
        """The compiled LangGraph: add it to a larger one with `add_node("video", agent.graph)`."""

    @property
    def policy(self) -> Policy:
        """What writes the turns."""
        return self._wiring.policy

    def run(
        self,
        video: PathLikeStr,
        question: str,
        *,
        options: Options | None = None,
        subtitles: PathLikeStr | None = None,
        record: PathLikeStr | None = None,
        context: Context | None = None,
    ) -> RunResult:
        """Answer one question.

        Args:
            video: path of the video file.
            question: in plain words.
            options: for multiple choice, as a list or by letter.
            subtitles: a subtitle file; those beside the video are found without it.
            record: run directory that keeps the trajectory and its frames.
            context: knobs of this run.

        Raises:
            EvaGraphError: the video cannot be opened, or an argument is at fault. What a policy
                does wrong is no exception: it is in `stop_reason` and `error`.
        """
        steps = self.stream(
            video, question, options=options, subtitles=subtitles, record=record, context=context
        )
        return _last(list(steps))

    async def arun(
        self,
        video: PathLikeStr,
        question: str,
        *,
        options: Options | None = None,
        subtitles: PathLikeStr | None = None,
        record: PathLikeStr | None = None,
        context: Context | None = None,
    ) -> RunResult:
        """Like `run`, without blocking the event loop."""
        steps = self.astream(
            video, question, options=options, subtitles=subtitles, record=record, context=context
        )
        return _last([item async for item in steps])

    def stream(
        self,
        video: PathLikeStr,
        question: str,
        *,
        options: Options | None = None,
        subtitles: PathLikeStr | None = None,
        record: PathLikeStr | None = None,
        context: Context | None = None,
    ) -> Iterator[Step | RunResult]:
        """Like `run`, but yields every `Step` as it happens and the `RunResult` last."""
        settings = self._settings(record, context)
        trajectory_id = ""
        with self._listening(settings) as recorder:
            asked = _agent_input(video, question, options, subtitles)
            for event in self.graph.stream(asked, **settings):
                step = Step.from_event(event)
                if step is not None:
                    trajectory_id = step.trajectory_id
                    yield step
            yield RunResult.from_trajectory(recorder.trajectory(trajectory_id))

    async def astream(
        self,
        video: PathLikeStr,
        question: str,
        *,
        options: Options | None = None,
        subtitles: PathLikeStr | None = None,
        record: PathLikeStr | None = None,
        context: Context | None = None,
    ) -> AsyncGenerator[Step | RunResult, None]:
        """Like `stream`, without blocking the event loop."""
        settings = self._settings(record, context)
        trajectory_id = ""
        with self._listening(settings) as recorder:
            asked = _agent_input(video, question, options, subtitles)
            async for event in self.graph.astream(asked, **settings):
                step = Step.from_event(event)
                if step is not None:
                    trajectory_id = step.trajectory_id
                    yield step
            trajectory = await asyncio.to_thread(recorder.trajectory, trajectory_id)
            yield RunResult.from_trajectory(trajectory)

    def as_tool(self, videos: PathLikeStr | Mapping[str, PathLikeStr]) -> BaseTool:
        """The agent as a LangChain tool for a supervisor.

        Args:
            videos: the one video it may be asked about, or several by the names under which the
                supervisor knows them; it never passes a path.
        """
        from eva_graph.as_tool import video_tool

        return video_tool(self, videos)

    def _settings(self, record: PathLikeStr | None, context: Context | None) -> dict[str, Any]:
        knobs = context or self._wiring.defaults
        if record is not None:
            knobs = replace(knobs, record=fspath(record))
        return {
            "config": {
                # One run, one thread, one episode, one trajectory id.
                "configurable": {"thread_id": uuid.uuid4().hex},
                # Four nodes a turn; the limit of turns is ours, LangGraph's must never come first.
                "recursion_limit": 4 * knobs.max_turns + 4,
            },
            "context": knobs,
            "stream_mode": "custom",
        }

    def _listening(self, settings: dict[str, Any]) -> AbstractContextManager[Recorder]:
        thread_id = settings["config"]["configurable"]["thread_id"]
        return self._wiring.recorders.listening(settings["context"].record, thread_id)


def _agent_input(
    video: PathLikeStr, question: str, options: Options | None, subtitles: PathLikeStr | None
) -> AgentInput:
    asked = Asked.of(video, question, options, subtitles)
    return AgentInput(
        video=asked.video,
        question=asked.question,
        options=asked.options or None,
        subtitles=asked.subtitles,
    )


def _last(items: Sequence[Step | RunResult]) -> RunResult:
    result = items[-1]
    if not isinstance(result, RunResult):
        raise AssertionError("a stream ends with its result")
    return result
