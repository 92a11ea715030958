"""The agent as a LangChain tool: a supervisor asks, by a video's name, never by a path."""

from __future__ import annotations

from collections.abc import Mapping
from os import PathLike
from typing import TYPE_CHECKING, Any

from langchain_core.tools import BaseTool, StructuredTool
from pydantic import BaseModel, Field

from eva_graph.errors import InvalidRequest
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
    def path_of(video: str | None) -> str | PathLike[str] | None:
        return next(iter(videos.values())) if video is None else videos.get(video)

    def ask(question: str, video: str | None = None) -> tuple[str, Any]:
        path = path_of(video)
        return _unknown(video, videos) if path is None else _report(agent.run(path, question))

    async def ask_async(question: str, video: str | None = None) -> tuple[str, Any]:
        path = path_of(video)
        if path is None:
            return _unknown(video, videos)
        return _report(await agent.arun(path, question))

    return StructuredTool.from_function(
        ask,
        coroutine=ask_async,
        name="ask_video",
        description=description,
        args_schema=schema,
        response_format="content_and_artifact",
        infer_schema=False,
    )


def _report(result: RunResult) -> tuple[str, Any]:
    if result.answer is None:
        return f"No answer ({result.stop_reason}).", result.trajectory.model_dump(mode="json")
    spans = ", ".join(
        f"{item.start_seconds:.1f}-{item.end_seconds:.1f} s" for item in result.evidence
    )
    text = result.answer_text or result.answer
    evidence = f" Seen at {spans}." if spans else ""
    return f"{text}{evidence}", result.trajectory.model_dump(mode="json")


def _unknown(video: str | None, videos: Mapping[str, Any]) -> tuple[str, Any]:
    return f"There is no video {video!r}; choose from {', '.join(videos)}.", None
