"""`langgraph dev` serves `langgraph.json`, and a real `RemoteGraph` drives it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from canary import Canary
from episodes import TWO_LOOKS
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.graph import START, StateGraph
from langgraph.pregel.remote import RemoteException, RemoteGraph
from langgraph_sdk import get_client, get_sync_client
from langgraph_server import langgraph_serving
from openai_server import OpenAIServer
from typing_extensions import TypedDict

from eva_graph import Step
from eva_graph.testing import make_clip
from eva_graph.trajectory import read_records
from eva_graph_training.world.demo import demo_task
from eva_graph_training.world.render import render

pytestmark = pytest.mark.slow
QUESTION = "Which colour is shown at 3 seconds?"


class Parent(TypedDict, total=False):
    video: str
    question: str
    answer: str | None
    headline: str


class Served:
    """A server of the agent, its folders and a client."""

    def __init__(self, folder: Path, url: str, canary: Canary, client: Any) -> None:
        self.folder = folder
        self.url = url
        self.canary = canary
        self._client = client
        self.graph = RemoteGraph("video_agent", sync_client=client)

    def thread(self) -> Any:
        return {"configurable": {"thread_id": self._client.threads.create()["thread_id"]}}


@contextmanager
def remote(url: str) -> Iterator[RemoteGraph]:
    """The graph at a server, its connections closed in the end."""
    with get_sync_client(url=url) as client:
        yield RemoteGraph("video_agent", sync_client=client)


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """One server for the module: two looks and an answer for every question."""
    folder = tmp_path_factory.mktemp("studio")
    media = folder / "media"
    media.mkdir()
    make_clip(media / "clip.mp4", seconds=8, size=(112, 84), fps=5)
    canary = Canary(folder / "outside")
    (media / "link.mp4").symlink_to(canary.video)
    with OpenAIServer(TWO_LOOKS) as policy, canary.served():
        environment = {
            "EVA_GRAPH_MEDIA_ROOT": str(media),
            "EVA_GRAPH_POLICY": policy.base_url,
            "EVA_GRAPH_RECORD": str(folder / "run"),
        }
        with (
            langgraph_serving(folder / "server", environment) as url,
            get_sync_client(url=url) as client,
        ):
            yield Served(folder, url, canary, client)


def test_invoke(served: Served) -> None:
    thread = served.thread()
    output = served.graph.invoke({"video": "clip.mp4", "question": QUESTION}, thread)
    assert (output["answer"], output["stop_reason"]) == ("yellow", "answered")
    recorded = {record.trajectory_id for record in read_records(served.folder / "run")}
    assert output["trajectory_id"] in recorded
    state = json.dumps(served.graph.get_state(thread).values)
    assert "frame://sha256:" in state
    assert "base64" not in state


def test_knobs_of_a_run(served: Served) -> None:
    asked = {"video": "clip.mp4", "question": QUESTION}
    output = served.graph.invoke(asked, served.thread(), context={"max_turns": 1})
    assert output["stop_reason"] == "no_answer"


async def test_stream(served: Served) -> None:
    asked = {"video": "clip.mp4", "question": QUESTION}
    parts = served.graph.stream(asked, served.thread(), stream_mode="custom")
    steps = [Step.from_event(part) for part in parts]
    assert [step.node for step in steps if step][:4] == ["summary", "plan", "action", "reflection"]
    async with get_client(url=served.url) as client:
        graph = RemoteGraph("video_agent", client=client)
        again = [part async for part in graph.astream(asked, served.thread(), stream_mode="custom")]
    assert len(again) == len(steps)


@pytest.mark.parametrize("checkpointed", [False, True])
def test_as_a_node_of_a_parent(checkpointed: bool, served: Served) -> None:
    parent = StateGraph(Parent)
    parent.add_node("video", served.graph)
    parent.add_node("write", lambda state: {"headline": f"It is {state['answer']}"})
    parent.add_edge(START, "video")
    parent.add_edge("video", "write")
    graph = parent.compile(checkpointer=InMemorySaver() if checkpointed else None)
    asked: Any = {"video": "clip.mp4", "question": QUESTION}
    output = graph.invoke(asked, {"configurable": {"thread_id": str(uuid4())}})
    assert output["headline"] == "It is yellow"


def test_a_person_edits_a_call(served: Served) -> None:
    graph, thread = served.graph, served.thread()
    graph.invoke({"video": "clip.mp4", "question": QUESTION}, thread, interrupt_before=["action"])
    calls = graph.get_state(thread).values["calls"]
    calls[0]["arguments"]["nframes"] = 5
    graph.update_state(thread, {"calls": calls})
    output = graph.invoke(None, thread)
    assert output["answer"] == "yellow"
    records = {record.trajectory_id: record for record in read_records(served.folder / "run")}
    turn = records[output["trajectory_id"]].turns[0]
    assert turn.edited
    assert len(turn.calls[0].frames) == 5


@pytest.mark.parametrize(
    "video", ["/etc/passwd", "../outside/canary.mp4", "link.mp4", "{url}", "{outside}/canary.mp4"]
)
def test_paths_outside_the_root(video: str, served: Served) -> None:
    canary, thread = served.canary, served.thread()
    path = video.format(url=canary.url, outside=canary.folder)
    with canary.watched(), pytest.raises(RemoteException) as raised:
        served.graph.invoke({"video": path, "question": QUESTION}, thread)
    (told,) = raised.value.args
    assert told == {
        "error": "UnsupportedMedia",
        "message": f"{path}: no such file in the media folder",
    }
    output = served.graph.invoke({"video": "clip.mp4", "question": QUESTION}, thread)
    assert output["answer"] == "yellow"


def test_subtitles_outside_the_root(served: Served) -> None:
    thread = served.thread()
    asked = {"video": "clip.mp4", "question": QUESTION}
    with pytest.raises(RemoteException, match="/etc/passwd: no such file in the media folder"):
        served.graph.invoke({**asked, "subtitles": "/etc/passwd"}, thread)
    assert served.graph.invoke(asked, thread)["answer"] == "yellow"


def test_where_to_record_is_not_a_clients_choice(served: Served) -> None:
    thread, chosen = served.thread(), served.folder / "chosen"
    asked = {"video": "clip.mp4", "question": QUESTION}
    with pytest.raises(RemoteException, match="record is not a client's to choose"):
        served.graph.invoke(asked, thread, context={"record": str(chosen)})
    assert not chosen.exists()
    assert served.graph.invoke(asked, thread)["answer"] == "yellow"


def test_without_a_media_root(tmp_path: Path, clip: Path) -> None:
    asked = {"video": str(clip), "question": QUESTION}
    with (
        OpenAIServer(TWO_LOOKS) as policy,
        langgraph_serving(tmp_path, {"EVA_GRAPH_POLICY": policy.base_url}) as url,
        remote(url) as graph,
    ):
        with pytest.raises(RemoteException, match="set EVA_GRAPH_MEDIA_ROOT to the folder"):
            graph.invoke(asked)
        assert policy.requests == []


def test_nano_answers_by_default(tmp_path: Path) -> None:
    scene, question = demo_task(7, "time")
    render(scene, tmp_path / "world.mp4")
    environment = {"EVA_GRAPH_MEDIA_ROOT": str(tmp_path)}
    with langgraph_serving(tmp_path / "server", environment) as url, remote(url) as graph:
        output = graph.invoke({"video": "world.mp4", "question": question.text})
    assert output["answer"] == question.answer
