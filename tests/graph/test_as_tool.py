"""The agent as a tool of a supervisor."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from episodes import QUESTION, TWO_LOOKS, see
from langchain_core.messages import AIMessage, HumanMessage, ToolMessage
from langchain_core.utils.function_calling import convert_to_openai_tool
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.graph import END, START, MessagesState, StateGraph
from langgraph.prebuilt import ToolNode, tools_condition

from eva_graph import Step, Trajectory, VideoAgent
from eva_graph.errors import InvalidRequest
from eva_graph.policy.protocol import Completion
from eva_graph.testing import ScriptedPolicy, make_clip
from eva_graph_tools import FrameStore

THREAD: Any = {"configurable": {"thread_id": "1"}}


def supervised(agent: VideoAgent, videos: Any, *asked: dict[str, Any]) -> Any:
    """A tool-calling loop: a scripted supervisor asks once, hears, and ends."""

    def supervisor(state: MessagesState) -> dict[str, Any]:
        if isinstance(state["messages"][-1], ToolMessage):
            return {"messages": [AIMessage("So that is that.")]}
        calls = [
            {"id": f"c{number}", "name": "ask_video", "args": each, "type": "tool_call"}
            for number, each in enumerate(asked)
        ]
        return {"messages": [AIMessage("", tool_calls=calls)]}

    loop = StateGraph(MessagesState)
    loop.add_node("supervisor", supervisor)
    loop.add_node("tools", ToolNode([agent.as_tool(videos)]))
    loop.add_edge(START, "supervisor")
    loop.add_conditional_edges("supervisor", tools_condition, ["tools", END])
    loop.add_edge("tools", "supervisor")
    return loop.compile(checkpointer=InMemorySaver())


def replies(output: dict[str, Any]) -> list[ToolMessage]:
    return [message for message in output["messages"] if isinstance(message, ToolMessage)]


def test_one_video(clip: Path, frames: FrameStore) -> None:
    agent = VideoAgent(ScriptedPolicy(TWO_LOOKS), frames=frames)
    loop = supervised(agent, clip, {"question": QUESTION})
    (reply,) = replies(loop.invoke({"messages": [HumanMessage("Go.")]}, THREAD))
    assert reply.content == "yellow Seen at 3.0-3.0 s."
    assert reply.status == "success"
    record = Trajectory.model_validate(reply.artifact)
    assert record.answer == "yellow"
    assert len(record.turns) == 3


async def test_several_videos_in_an_async_loop(
    clip: Path, frames: FrameStore, tmp_path: Path
) -> None:
    other = make_clip(tmp_path / "other.mp4", seconds=8, size=(168, 112), fps=5)
    agent = VideoAgent(ScriptedPolicy(see), frames=frames)
    videos = {"talk": clip, "walk": other}
    tool = agent.as_tool(videos)
    assert tool.name == "ask_video"
    assert "talk, walk" in tool.description
    told = convert_to_openai_tool(tool)["function"]["parameters"]
    assert told["properties"]["video"]["enum"] == ["talk", "walk"], "as a chat model is told"
    schema = tool.get_input_jsonschema()
    assert schema["required"] == ["question", "video"]
    assert str(tmp_path) not in json.dumps(schema), "the supervisor never sees a path"
    loop = supervised(
        agent,
        videos,
        {"question": "Which colour at 1", "video": "talk"},
        {"question": "Which colour at 2", "video": "walk"},
    )
    heard = replies(await loop.ainvoke({"messages": [HumanMessage("Go.")]}, THREAD))
    assert [reply.content for reply in heard] == [
        "green 112x84 1 Seen at 1.0-1.0 s.",
        "blue 168x112 2 Seen at 2.0-2.0 s.",
    ]


async def test_what_goes_wrong_is_told_to_the_supervisor(
    clip: Path, frames: FrameStore, tmp_path: Path
) -> None:
    agent = VideoAgent(ScriptedPolicy(TWO_LOOKS), frames=frames)
    videos = {"talk": clip, "gone": tmp_path / "gone.mp4"}
    asked = [
        {"question": QUESTION, "video": "walk"},
        {"question": QUESTION, "video": "gone"},
        {"question": " ", "video": "talk"},
    ]
    loop = supervised(agent, videos, *asked)
    for output in (
        loop.invoke({"messages": [HumanMessage("Go.")]}, THREAD),
        await supervised(agent, videos, *asked).ainvoke(
            {"messages": [HumanMessage("Go.")]}, THREAD
        ),
    ):
        unknown, gone, empty = replies(output)
        assert {unknown.status, gone.status, empty.status} == {"error"}
        assert "talk" in str(unknown.content)
        assert "gone.mp4" in str(gone.content)
        assert "question is empty" in str(empty.content)


def test_no_answer_is_said(clip: Path, frames: FrameStore) -> None:
    policy = ScriptedPolicy([Completion(text="Well,", finish_reason="length")])
    message = (
        VideoAgent(policy, frames=frames)
        .as_tool(clip)
        .invoke({"name": "ask_video", "args": {"question": "?"}, "id": "1", "type": "tool_call"})
    )
    assert message.content == "No answer (truncated)."


def test_the_artifact_holds_no_token_ids(clip: Path, frames: FrameStore) -> None:
    line = Completion(text="<answer>red</answer>", prompt_token_ids=(1, 2), token_ids=(3,))
    agent = VideoAgent(ScriptedPolicy([line]), frames=frames)
    assert agent.run(clip, "?").trajectory.turns[0].tokens is not None
    call = {"name": "ask_video", "args": {"question": "?"}, "id": "1", "type": "tool_call"}
    assert "tokens" not in agent.as_tool(clip).invoke(call).artifact["turns"][0]


def test_no_video_at_all(frames: FrameStore) -> None:
    with pytest.raises(InvalidRequest, match="at least one video"):
        VideoAgent(ScriptedPolicy([]), frames=frames).as_tool({})


async def test_the_steps_reach_the_stream_of_the_supervisor(clip: Path, frames: FrameStore) -> None:
    loop = supervised(
        VideoAgent(ScriptedPolicy(TWO_LOOKS), frames=frames), clip, {"question": QUESTION}
    )
    asked = {"messages": [HumanMessage("Go.")]}
    parts = list(loop.stream(asked, THREAD, stream_mode="custom", version="v2"))
    again = {"configurable": {"thread_id": "2"}}
    awaited = [p async for p in loop.astream(asked, again, stream_mode="custom", version="v2")]
    for heard in (parts, awaited):
        steps = [Step.from_event(part["data"]) for part in heard]
        assert [step.node for step in steps if step] == [
            "summary", "plan", "action", "reflection", "summary", "plan", "action", "reflection",
            "reflection",
        ]  # fmt: skip
        assert steps[-1] is not None
        assert steps[-1].data["answer"] == "yellow"
