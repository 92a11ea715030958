"""`VideoAgent`: options, what it gives back, and errors of one line."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from episodes import QUESTION, TWO_LOOKS, answer, look, span

from eva_graph import Context, EvaGraphError, StopReason, VideoAgent
from eva_graph.result import chosen_option
from eva_graph.testing import ScriptedPolicy, make_clip
from eva_graph.trajectory import read_records
from eva_graph.videos import OpenVideos
from eva_graph_tools import DecodeError, FrameStore


@pytest.fixture
def agent(frames: FrameStore) -> VideoAgent:
    return VideoAgent(ScriptedPolicy(TWO_LOOKS), frames=frames)


def test_result(agent: VideoAgent, clip: Path) -> None:
    result = agent.run(clip, QUESTION)
    assert (result.answer, result.answer_text) == ("yellow", "yellow")
    assert result.stop_reason is StopReason.ANSWERED
    (evidence,) = result.evidence
    assert (evidence.start_seconds, evidence.end_seconds) == (3.0, 3.0)
    assert evidence.frames == result.turns[1].calls[0].frames
    assert [turn.summary for turn in result.turns] == [
        "The video has 8 seconds.",
        "Closer at 3 s.",
        "",
    ]
    usage = result.usage
    assert (usage.policy_calls, usage.requests, usage.frames) == (3, 3, 3)
    assert usage.visual_tokens == sum(
        call.visual_tokens for turn in result.turns for call in turn.calls
    )


@pytest.mark.parametrize(
    "options", [["red", "yellow"], {"A": "red", "B": "yellow"}, ("red", "yellow")]
)
@pytest.mark.parametrize("said", ["B", "(b)", "B. yellow", "yellow", "Yellow."])
def test_options(options: Any, said: str, clip: Path, frames: FrameStore) -> None:
    policy = ScriptedPolicy([look(span(3, 3, 1)), answer(said)])
    result = VideoAgent(policy, frames=frames).run(clip, QUESTION, options=options)
    assert (result.answer, result.answer_text) == ("B", "yellow")
    assert result.trajectory.options == {"A": "red", "B": "yellow"}
    user = str(policy.requests[0].messages[1].content)
    assert "A. red\nB. yellow\nAnswer with the option's letter" in user


def test_an_answer_that_is_no_option_is_kept(clip: Path, frames: FrameStore) -> None:
    policy = ScriptedPolicy([answer("a dog")])
    result = VideoAgent(policy, frames=frames).run(clip, QUESTION, options=["red", "a cat"])
    assert (result.answer, result.answer_text) == ("a dog", "a dog")


@pytest.mark.parametrize(
    ("said", "letter"),
    [
        ("B", "B"), ("(b).", "B"), ("**C**", "C"), ("[A]", "A"), ("B: for he stands", "B"),
        ("A man", "B"), ("a man.", "B"), ("B A man", "B"),
        ("a dog", None), ("D", None), ("(", None), ("", None),
    ],
)  # fmt: skip
def test_chosen_option(said: str, letter: str | None) -> None:
    assert chosen_option(said, {"A": "two dogs", "B": "A man", "C": "nobody"}) == letter


@pytest.mark.parametrize(
    ("arguments", "names"),
    [
        ({"video": "nowhere.mp4"}, "nowhere.mp4"),
        ({"video": 3}, "path of a video"),
        ({"video": b"clip.mp4"}, "path of a video"),
        ({"question": "  "}, "question is empty"),
        ({"question": None}, "question is empty"),
        ({"question": "\udcff"}, "Unicode"),
        ({"options": ["one"]}, "two choices"),
        ({"options": []}, "two choices"),
        ({"options": {}}, "two choices"),
        ({"options": "AB"}, "list of texts"),
        ({"options": 3}, "list of texts"),
        ({"options": [str(n) for n in range(27)]}, "at most 26"),
        ({"options": {"A": "red", " ": "blue"}}, "letter and a text"),
    ],
)
def test_bad_questions(
    arguments: dict[str, Any], names: str, agent: VideoAgent, clip: Path, tmp_path: Path
) -> None:
    asked = {"video": clip, "question": QUESTION, **arguments}
    for ask in (agent.run, lambda **given: agent.graph.invoke(_state(given))):
        with pytest.raises(EvaGraphError, match=names) as raised:
            ask(**asked)
        assert "\n" not in str(raised.value)


def _state(given: dict[str, Any]) -> Any:
    return {**given, "video": str(given["video"])} if isinstance(given["video"], Path) else given


def test_a_text_file_is_no_video(agent: VideoAgent, tmp_path: Path) -> None:
    path = tmp_path / "notes.mp4"
    path.write_text("no video")
    with pytest.raises(EvaGraphError, match=r"notes\.mp4") as raised:
        agent.run(path, QUESTION)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize(
    ("arguments", "names"),
    [
        ({"tools": ["paint"]}, "unknown tool 'paint'"),
        ({"tools": []}, "no tool"),
        ({"dialect": "morse"}, "morse"),
        ({"dialect": "native", "profile": "reference"}, "reference"),
        ({"policy": object()}, "policy"),
        ({"policy": "no/such/folder"}, "no/such/folder"),
    ],
)
def test_bad_parts(arguments: dict[str, Any], names: str) -> None:
    with pytest.raises(EvaGraphError, match=names) as raised:
        VideoAgent(**{"policy": ScriptedPolicy([]), **arguments})
    assert "\n" not in str(raised.value)


def test_record_makes_the_run_directory(agent: VideoAgent, clip: Path, tmp_path: Path) -> None:
    run = tmp_path / "runs" / "a"
    first = agent.run(clip, QUESTION, record=run)
    second = agent.run(str(clip), QUESTION, context=Context(record=str(run)))
    assert [record.trajectory_id for record in read_records(run)] == [
        first.trajectory.trajectory_id,
        second.trajectory.trajectory_id,
    ]


@pytest.mark.parametrize("place", ["file", "file/run"])
def test_a_file_in_place_of_the_run_directory(
    place: str, agent: VideoAgent, clip: Path, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(EvaGraphError, match="file") as raised:
        agent.run(clip, QUESTION, record=tmp_path / place)
    assert "\n" not in str(raised.value)


def test_an_odd_file_name(agent: VideoAgent, tmp_path: Path) -> None:
    odd = make_clip(tmp_path / "a b\udcff é.mkv", seconds=8, size=(112, 84), fps=5)
    result = agent.run(odd, QUESTION, record=tmp_path / "run")
    assert result.answer == "yellow"


def test_videos_stay_open_only_a_few(tmp_path: Path) -> None:
    videos = OpenVideos(max_idle=2)
    opened = []
    for number in range(4):
        path = make_clip(tmp_path / f"{number}.mp4", seconds=1, size=(56, 56), fps=2)
        with videos.use(str(path)) as video, videos.use(str(path)) as same:
            assert video is same
            opened.append(video)
    assert [_is_open(video) for video in opened] == [False, False, True, True]
    make_clip(tmp_path / "3.mp4", seconds=2, size=(56, 56), fps=2)
    with videos.use(str(tmp_path / "3.mp4")) as changed:
        assert changed.info.duration_seconds == 2.0


def _is_open(video: Any) -> bool:
    try:
        video.seek(0.0)
    except DecodeError:
        return False
    return True
