"""What a served graph opens and records; the server around it has tests of its own."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from canary import Canary
from langgraph.checkpoint.memory import InMemorySaver
from openai_server import OpenAIServer

from eva_graph import Context, EvaGraphError
from eva_graph.errors import InvalidRequest, TrajectoryError
from eva_graph.served_graph import make_graph, served_graph
from eva_graph.trajectory import read_records
from eva_graph_tools import UnsupportedMedia

THREAD: Any = {"configurable": {"thread_id": "1"}}
QUESTION = "Which colour is shown at 3 seconds?"


def asked(video: str, **more: Any) -> Any:
    return {"video": video, "question": QUESTION, **more}


@pytest.fixture
def graph(root: Path, policy: OpenAIServer, tmp_path: Path) -> Any:
    environment = {
        "EVA_GRAPH_MEDIA_ROOT": str(root),
        "EVA_GRAPH_POLICY": policy.base_url,
        "EVA_GRAPH_RECORD": str(tmp_path / "run"),
    }
    return served_graph(environment).builder.compile(checkpointer=InMemorySaver())


@pytest.mark.parametrize("video", ["talks/clip.mp4", "inside.mp4", "{root}/talks/clip.mp4"])
def test_videos_below_the_root(video: str, graph: Any, root: Path, tmp_path: Path) -> None:
    output = graph.invoke(asked(video.format(root=root)), THREAD)
    assert (output["answer"], output["stop_reason"]) == ("yellow", "answered")
    (record,) = read_records(tmp_path / "run")
    assert record.trajectory_id == output["trajectory_id"]


@pytest.mark.parametrize(
    "given",
    [
        asked("/etc/passwd"),
        asked("{outside}/canary.mp4"),
        asked("../outside/canary.mp4"),
        asked("talks/../../outside/canary.mp4"),
        asked("link.mp4"),
        asked("door/canary.mp4"),
        asked("{url}"),
        asked("file:///etc/passwd"),
        asked("talks"),
        asked("talks/clip.mp4\0"),
        asked("talks/clip.mp4", subtitles="/etc/passwd"),
        asked("talks/clip.mp4", subtitles="../outside/canary.srt"),
    ],
)
def test_nothing_else_is_opened_and_the_thread_goes_on(
    given: Any, graph: Any, root: Path, canary: Canary
) -> None:
    with canary.served():
        places = {"outside": str(canary.folder), "url": canary.url}
        (canary.folder / "canary.srt").write_text("1\n00:00:01,000 --> 00:00:02,000\nsecret\n")
        path = {key: value.format(**places) for key, value in given.items()}
        with canary.watched(), pytest.raises(UnsupportedMedia, match="no such file in the media"):
            graph.invoke(path, THREAD)
    assert graph.invoke(asked("talks/clip.mp4"), THREAD)["answer"] == "yellow"


def test_without_a_root_every_file_is_refused(policy: OpenAIServer, clip: Path) -> None:
    graph = served_graph({"EVA_GRAPH_POLICY": policy.base_url})
    with pytest.raises(InvalidRequest, match="set EVA_GRAPH_MEDIA_ROOT to the folder"):
        graph.invoke(asked(str(clip)))


def test_a_root_that_is_missing(policy: OpenAIServer, tmp_path: Path) -> None:
    environment = {
        "EVA_GRAPH_MEDIA_ROOT": str(tmp_path / "none"),
        "EVA_GRAPH_POLICY": policy.base_url,
    }
    with pytest.raises(InvalidRequest, match="none: no such folder"):
        served_graph(environment)


def test_a_client_cannot_choose_where_runs_are_written(graph: Any, tmp_path: Path) -> None:
    chosen = tmp_path / "chosen"
    with pytest.raises(InvalidRequest, match="record is not a client's to choose"):
        graph.invoke(asked("talks/clip.mp4"), THREAD, context=Context(record=str(chosen)))
    assert not chosen.exists()


def test_a_client_that_edits_the_state_gets_no_further(
    graph: Any, canary: Canary, tmp_path: Path
) -> None:
    edits = {"trajectory_id": "../../evil", "video": str(canary.video)}
    for key, value in edits.items():
        thread: Any = {"configurable": {"thread_id": key}}
        graph.invoke(asked("talks/clip.mp4"), thread, interrupt_before=["action"])
        graph.update_state(thread, {key: value})
        with canary.watched(), pytest.raises((TrajectoryError, UnsupportedMedia)):
            graph.invoke(None, thread)
    assert not list(tmp_path.rglob("evil*"))


async def test_one_graph_for_the_process(
    root: Path, policy: OpenAIServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EVA_GRAPH_MEDIA_ROOT", str(root))
    monkeypatch.setenv("EVA_GRAPH_POLICY", policy.base_url)
    assert await make_graph() is await make_graph()


def test_what_clients_are_told() -> None:
    """LangGraph's servers pass on the text of few kinds of exceptions."""
    assert issubclass(UnsupportedMedia, RuntimeError)
    assert issubclass(InvalidRequest, RuntimeError)
    assert not issubclass(EvaGraphError, RuntimeError), "what only the operator can mend"
