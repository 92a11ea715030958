"""How a graph opens its videos: in a worker process, below a root, with a subtitle file."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from episodes import QUESTION, TWO_LOOKS, lasting
from langgraph.checkpoint.memory import InMemorySaver

from eva_graph import Context, OpenVideos, VideoAgent, build_graph
from eva_graph.errors import InvalidRequest
from eva_graph.testing import ScriptedPolicy
from eva_graph_tools import TOOLS, FrameStore, Tool, UnsupportedMedia, VideoInfo

Offer = Callable[..., None]


def agent(frames: FrameStore, videos: OpenVideos | None = None, **settings: object) -> VideoAgent:
    return VideoAgent(ScriptedPolicy(TWO_LOOKS), frames=frames, videos=videos, **settings)  # type: ignore[arg-type]


def test_a_worker_process_shows_the_same(frames: FrameStore, clip: Path) -> None:
    here = agent(frames).run(clip, QUESTION)
    there = agent(FrameStore(frames.root / "there"), OpenVideos(isolated=True)).run(clip, QUESTION)
    assert there.answer == here.answer == "yellow"
    assert lasting(there.trajectory) == lasting(here.trajectory)


def test_only_files_below_the_root_are_opened(
    frames: FrameStore, clip: Path, tmp_path: Path
) -> None:
    below = agent(frames, OpenVideos(media_root=clip.parent))
    assert below.run(clip, QUESTION).answer == "yellow"
    above = agent(frames, OpenVideos(media_root=tmp_path))
    for path in (clip, tmp_path / ".." / clip.parent.name / clip.name, "/etc/passwd"):
        with pytest.raises(UnsupportedMedia) as refusal:
            above.run(path, QUESTION)
        assert "\n" not in str(refusal.value)


def test_the_next_question_does_not_inherit_the_subtitles(
    frames: FrameStore, clip: Path, tmp_path: Path
) -> None:
    subtitles = tmp_path / "talk.srt"
    subtitles.write_text("1\n00:00:01,000 --> 00:00:02,000\nhello\n")
    policy = ScriptedPolicy(TWO_LOOKS)
    graph = build_graph(policy, frames=frames).builder.compile(checkpointer=InMemorySaver())
    thread: object = {"configurable": {"thread_id": "1"}}
    asked = {"video": str(clip), "question": QUESTION, "subtitles": str(subtitles)}
    graph.invoke(asked, thread)  # type: ignore[call-overload]
    assert graph.get_state(thread).values["subtitle_file"] == str(subtitles)  # type: ignore[arg-type]
    graph.invoke({"question": QUESTION}, thread)  # type: ignore[call-overload]
    assert graph.get_state(thread).values["subtitle_file"] is None  # type: ignore[arg-type]


@pytest.mark.parametrize("subtitles", [7, b"talk.srt", ["talk.srt"]])
def test_subtitles_are_a_path(frames: FrameStore, clip: Path, subtitles: object) -> None:
    with pytest.raises(InvalidRequest, match="subtitles must be the path of a file"):
        agent(frames).run(clip, QUESTION, subtitles=subtitles)  # type: ignore[arg-type]


def test_a_missing_subtitle_file_is_one_line(frames: FrameStore, clip: Path) -> None:
    with pytest.raises(UnsupportedMedia, match=r"none\.srt"):
        agent(frames).run(clip, QUESTION, subtitles="none.srt")


@pytest.fixture
def offer(monkeypatch: pytest.MonkeyPatch) -> Offer:
    """Adds a tool that only some videos can be looked at with."""

    def make(offered: Callable[[VideoInfo], bool]) -> None:
        tool: Tool = replace(TOOLS["seek"], name="peek", offered=offered)
        monkeypatch.setitem(TOOLS, "peek", tool)

    return make


@pytest.mark.parametrize(
    ("least_seconds", "names"), [(5, ["frame_select", "peek"]), (50, ["frame_select"])]
)
def test_a_policy_is_told_of_the_tools_that_the_video_takes(
    offer: Offer, frames: FrameStore, clip: Path, least_seconds: float, names: list[str]
) -> None:
    offer(lambda info: info.duration_seconds > least_seconds)
    policy = ScriptedPolicy(TWO_LOOKS)
    made = VideoAgent(policy, frames=frames, instructions=True, tools=["frame_select", "peek"])
    result = made.run(clip, QUESTION)
    assert result.trajectory.tools == names
    system = str(policy.requests[0].messages[0].content)
    assert [f"- {name}:" in system for name in ("frame_select", "peek")] == [
        name in names for name in ("frame_select", "peek")
    ]


def test_a_tool_that_is_not_offered_cannot_be_called(
    offer: Offer, frames: FrameStore, clip: Path
) -> None:
    offer(lambda info: False)
    call = '<tool_call>{"tool": "peek", "arguments": {"time": 1}}</tool_call>'
    policy = ScriptedPolicy([call, "<answer>none</answer>"])
    made = VideoAgent(policy, frames=frames, tools=["frame_select", "peek"])
    (turn,) = made.run(clip, QUESTION).turns[:1]
    assert [made_call.error for made_call in turn.calls] == [
        "there is no tool 'peek', use frame_select"
    ]


def test_a_video_that_takes_none_of_the_tools(offer: Offer, frames: FrameStore, clip: Path) -> None:
    offer(lambda info: False)
    with pytest.raises(InvalidRequest, match="cannot be looked at with peek: offer another tool"):
        agent(frames, tools=["peek"]).run(clip, QUESTION)


@pytest.mark.parametrize("seconds", [0, -1, float("inf"), float("nan"), "soon", True])
def test_a_look_needs_a_time_limit_that_makes_sense(seconds: object) -> None:
    with pytest.raises(InvalidRequest, match="look_timeout_seconds"):
        Context(look_timeout_seconds=seconds)  # type: ignore[arg-type]
