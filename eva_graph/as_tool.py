"""The agent as a LangChain tool: a supervisor asks, by a video's name, never by a path."""

from __future__ import annotations

from collections.abc import Mapping
from os import PathLike
from typing import TYPE_CHECKING, Any

from langchain_core.tools import BaseTool, StructuredTool, ToolException
from pydantic import BaseModel, Field

from eva_graph.errors import EvaGraphError, InvalidRequest
from eva_graph.result import RunResult

if TYPE_CHECKING:
    from eva_graph.agent import VideoAgent

_DESCRIPTION = (
    "Answers a question about the content of a video by looking at the parts that matter. "
    "Returns the answer and the times it rests on."
)


class _Ask(BaseModel):
    question: str = Field(description="what to find out, in plain words")


def video_tool(
    agent: VideoAgent, videos: str | PathLike[str] | Mapping[str, str | PathLike[str]]
) -> BaseTool:
    """A tool `ask_video(question)`, or `ask_video(video, question)` where there are several.

    Its message holds the answer and the times it rests on; its artifact is the trajectory record
    as JSON, without token ids, so that the supervisor's checkpoints stay small. What goes wrong
    becomes a message with status "error".

    Raises:
        InvalidRequest: no video is given.
    """
    if not isinstance(videos, Mapping):
        return _tool(agent, {"video": videos}, _Ask, _DESCRIPTION)
    if not videos:
        raise InvalidRequest("as_tool needs at least one video")
    known = list(videos)
    names = ", ".join(known)

    class _AskOne(_Ask):
        video: str = Field(
            description=f"which video: {names}", json_schema_extra={"enum": [*known]}
        )

    return _tool(agent, videos, _AskOne, f"{_DESCRIPTION} Videos: {names}.")


def _tool(
    agent: VideoAgent,
    videos: Mapping[str, str | PathLike[str]],
    schema: type[BaseModel],
    description: str,
) -> BaseTool:
    def path_of(video: str | None) -> str | PathLike[str]:
        name = next(iter(videos)) if video is None else video
        if name not in videos:
            raise ToolException(f"There is no video {name!r}; choose from {', '.join(videos)}.")
        return videos[name]

    def ask(question: str, video: str | None = None) -> tuple[str, Any]:
        try:
            return _report(agent.run(path_of(video), question))
        except EvaGraphError as error:
            raise ToolException(f"Error: {error}") from error

    async def ask_async(question: str, video: str | None = None) -> tuple[str, Any]:
        try:
            return _report(await agent.arun(path_of(video), question))
        except EvaGraphError as error:
            raise ToolException(f"Error: {error}") from error

    return StructuredTool.from_function(
        ask,
        coroutine=ask_async,
        name="ask_video",
        description=description,
        args_schema=schema,
        response_format="content_and_artifact",
        infer_schema=False,
        handle_tool_error=True,
    )


def _report(result: RunResult) -> tuple[str, Any]:
    record = result.trajectory.model_dump(mode="json", exclude={"turns": {"__all__": {"tokens"}}})
    if result.answer is None:
        return f"No answer ({result.stop_reason}).", record
    spans = ", ".join(
        f"{item.start_seconds:.1f}-{item.end_seconds:.1f} s" for item in result.evidence
    )
    evidence = f" Seen at {spans}." if spans else ""
    return f"{result.answer_text}{evidence}", record
