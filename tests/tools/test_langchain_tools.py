"""The tools in a LangGraph loop of somebody else's: pictures, references, errors as messages."""

import base64
import io
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from langchain_core.messages import AIMessage, HumanMessage, ToolMessage
from langchain_core.utils.function_calling import convert_to_openai_tool
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.graph import END, START, MessagesState, StateGraph
from langgraph.prebuilt import ToolNode, tools_condition
from numbered_video import Clip, number_of
from PIL import Image

from eva_graph_tools import FrameRef, FrameStore, InvalidArguments, Video, VisualGrid
from eva_graph_tools.langchain import video_tools

Clips = Callable[[str], Clip]
GRID = VisualGrid(patch_pixels=4, min_pixels=64)
Call = tuple[str, dict[str, Any]]


@pytest.fixture
def video(clip: Clips, tmp_path: Path) -> Iterator[Video]:
    path = tmp_path / "talk.mp4"
    path.write_bytes(clip("long").path.read_bytes())
    (tmp_path / "talk.srt").write_text("00:00:03,000 --> 00:00:04,000\nthe red car\n")
    with Video.open(path) as opened:
        yield opened


def loop(tools: list[Any], *calls: Call) -> Any:
    """A tool-calling agent whose scripted model makes some calls at once, hears, and ends."""

    def model(state: MessagesState) -> dict[str, Any]:
        if isinstance(state["messages"][-1], ToolMessage):
            return {"messages": [AIMessage("Seen.")]}
        written = [
            {"id": f"c{number}", "name": name, "args": arguments, "type": "tool_call"}
            for number, (name, arguments) in enumerate(calls)
        ]
        return {"messages": [AIMessage("", tool_calls=written)]}

    graph = StateGraph(MessagesState)
    graph.add_node("model", model)
    graph.add_node("tools", ToolNode(tools))
    graph.add_edge(START, "model")
    graph.add_conditional_edges("model", tools_condition, ["tools", END])
    graph.add_edge("tools", "model")
    return graph.compile(checkpointer=InMemorySaver())


def replies(output: dict[str, Any]) -> list[ToolMessage]:
    return [message for message in output["messages"] if isinstance(message, ToolMessage)]


ASKED: dict[str, Any] = {"messages": [HumanMessage("What is there?")]}
THREAD: Any = {"configurable": {"thread_id": "1"}}
CALLS: list[Call] = [
    ("frame_select", {"start_time": 3, "end_time": 4, "nframes": 2}),
    ("zoom", {"time": "00:05", "box": [0, 0, 1, 0.5]}),
    ("transcript", {"query": "red"}),
    ("clip", {"start_time": 5, "end_time": 6, "nframes": 1}),
    ("seek", {"time": "soon"}),
]


def numbers(reply: ToolMessage) -> list[int]:
    found = []
    for block in reply.content:
        assert isinstance(block, dict)
        if block["type"] == "image_url":
            kind, _, data = block["image_url"]["url"].partition(",")
            assert kind == "data:image/jpeg;base64"
            found.append(number_of_picture(Image.open(io.BytesIO(base64.b64decode(data)))))
    return found


def number_of_picture(image: Image.Image) -> int:
    """Of a whole picture, or of its upper half."""
    whole = image if image.height > 60 else image.resize((image.width, 2 * image.height))
    return number_of(np.asarray(whole))


@pytest.mark.parametrize("asynchronous", [False, True])
async def test_a_loop_sees_and_reads(video: Video, tmp_path: Path, asynchronous: bool) -> None:
    store = FrameStore(tmp_path / "frames")
    tools = video_tools(video, store=store, grid=GRID, artifacts=tmp_path / "clips")
    graph = loop(tools, *CALLS)
    output = await graph.ainvoke(ASKED, THREAD) if asynchronous else graph.invoke(ASKED, THREAD)
    frames, region, lines, clip, wrong = replies(output)
    assert numbers(frames) == [30, 39]
    assert [block["text"] for block in frames.content[::2]] == ["[00:03.000]", "[00:03.900]"]
    refs = [FrameRef.from_json(ref) for ref in frames.artifact["frames"]]
    assert [store.open_image(ref).size for ref in refs] == [(160, 96)] * 2
    assert numbers(region) == [50]
    assert region.artifact["applied"]["box"] == [0, 0, 1, 0.5]
    assert lines.content[0]["text"].endswith("[00:03] the red car")
    assert "clip of 5 to" in clip.content[0]["text"]
    with Video.open(clip.artifact["files"][0]["path"]) as cut:
        assert number_of(cut.seek(0).to_numpy()) == 50
    assert str(tmp_path) not in json.dumps(clip.content)
    assert wrong.status == "error"
    assert str(wrong.content).startswith("seek: time: 'soon' is not a time")


def test_schemas_are_the_tools_own(video: Video) -> None:
    (zoom,) = video_tools(video, tools=["zoom"])
    function = convert_to_openai_tool(zoom)["function"]
    assert function["name"] == "zoom"
    assert "full detail" in function["description"]
    assert function["parameters"]["required"] == ["box"]
    assert function["parameters"]["properties"]["box"]["minItems"] == 4


def test_only_what_fits_is_offered(clip: Clips, video: Video) -> None:
    assert [tool.name for tool in video_tools(video, tools=["seek", "transcript"])] == [
        "seek",
        "transcript",
    ]
    with Video.open(clip("h264_mp4").path) as silent:
        assert "transcript" not in [tool.name for tool in video_tools(silent)]
        with pytest.raises(InvalidArguments, match="there is no tool 'transcript', use frame_sel"):
            video_tools(silent, tools=["transcript"])


def test_budgets_and_notes_are_told(video: Video, tmp_path: Path) -> None:
    (seek,) = video_tools(video, store=FrameStore(tmp_path / "f"), tools=["seek"], look_budget=10)
    call = {"id": "1", "name": "seek", "args": {"time": 99}, "type": "tool_call"}
    reply = seek.invoke(call)
    assert reply.content[0]["text"].splitlines() == [
        "time 99 was clamped to 20",
        "reduced to resize 0.7291 to fit 10 visual tokens",
    ]
