"""The agent as a LangChain tool: a supervisor asks, by a video's name, never by a path.

In a graph the agent's steps go to the `custom` stream of the node that runs the tool.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import aclosing
from os import PathLike
from typing import TYPE_CHECKING, Annotated, Any

from langchain_core.tools import BaseTool, StructuredTool, ToolException
from langgraph.config import get_stream_writer
from pydantic import BaseModel, Field, WithJsonSchema

from eva_graph.errors import EvaGraphError, InvalidRequest
from eva_graph.result import RunResult
from eva_graph.steps import Step

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
    # As metadata of the type: LangChain drops a field's `json_schema_extra` on the way to a model.
    one_of = WithJsonSchema({"type": "string", "enum": known})

    class _AskOne(_Ask):
        video: Annotated[str, one_of] = Field(description=f"which video: {names}")

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
        tell = _parent_stream()
        try:
            for item in agent.stream(path_of(video), question):
                if isinstance(item, RunResult):
                    return _report(item)
                tell(item)
        except EvaGraphError as error:
            raise ToolException(f"Error: {error}") from error
        raise AssertionError("a stream ends with its result")

    async def ask_async(question: str, video: str | None = None) -> tuple[str, Any]:
        tell = _parent_stream()
        try:
            async with aclosing(agent.astream(path_of(video), question)) as items:
                async for item in items:
                    if isinstance(item, RunResult):
                        return _report(item)
                    tell(item)
        except EvaGraphError as error:
            raise ToolException(f"Error: {error}") from error
        raise AssertionError("a stream ends with its result")

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


def _parent_stream() -> Callable[[Step], None]:
    """Where steps go: the stream of the graph that runs the tool; nowhere outside of one."""
    try:
        write = get_stream_writer()
    except (RuntimeError, KeyError):  # called by hand, or by a runnable that is no graph
        return lambda step: None
    return lambda step: write(step.to_event())


def _report(result: RunResult) -> tuple[str, Any]:
    record = result.trajectory.model_dump(mode="json", exclude={"turns": {"__all__": {"tokens"}}})
    if result.answer is None:
        return f"No answer ({result.stop_reason}).", record
    spans = ", ".join(
        f"{item.start_seconds:.1f}-{item.end_seconds:.1f} s" for item in result.evidence
    )
    evidence = f" Seen at {spans}." if spans else ""
    return f"{result.answer_text}{evidence}", record
