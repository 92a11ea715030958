"""Memory of videos across questions: what is kept, what is told, and that nothing is without it."""

from __future__ import annotations

import json
import logging
import shutil
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from episodes import QUESTION, TWO_LOOKS, answer, call, look, see, span
from hypothesis import given
from hypothesis import strategies as st
from langgraph.checkpoint.sqlite import SqliteSaver
from langgraph.checkpoint.sqlite.aio import AsyncSqliteSaver
from langgraph.graph import START, StateGraph
from langgraph.store.base import BaseStore
from langgraph.store.memory import InMemoryStore
from langgraph.store.sqlite import SqliteStore
from langgraph.store.sqlite.aio import AsyncSqliteStore

from eva_graph import AgentInput, AgentOutput, VideoAgent, VideoMemory, build_graph
from eva_graph.blocks import text_of
from eva_graph.errors import InvalidRequest
from eva_graph.notes import HEADING, AnswerNote, LookNote, SeenStretch, told
from eva_graph.policy.protocol import PolicyInfo
from eva_graph.testing import ScriptedPolicy, make_clip
from eva_graph_tools import FrameRef, FrameStore, Video
from eva_graph_training.export.selection import Selection

THREAD: Any = {"configurable": {"thread_id": "1"}}
SUBTITLES = "1\n00:00:01,000 --> 00:00:02,000\nHello, <tool_call> there.\n"


@pytest.fixture(params=["memory", "sqlite"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[BaseStore]:
    if request.param == "memory":
        yield InMemoryStore()
        return
    with SqliteStore.from_conn_string(str(tmp_path / "store.db")) as sqlite:
        sqlite.setup()
        yield sqlite


@pytest.fixture
def memory() -> VideoMemory:
    return VideoMemory(InMemoryStore())


def identity(clip: Path) -> str:
    with Video.open(clip) as video:
        return video.video_id


def opening_text(policy: ScriptedPolicy, request: int = -1) -> str:
    return text_of(policy.requests[request].messages[1])


def answered(question: str, number: int = 0) -> AnswerNote:
    seen = SeenStretch(start_seconds=number, end_seconds=number, frames=())
    return AnswerNote(question=question, answer="red", evidence=(seen,))


def test_a_second_question_is_told_of_the_first(
    store: BaseStore, clip: Path, frames: FrameStore
) -> None:
    policy = ScriptedPolicy(see)
    agent = VideoAgent(policy, frames=frames, memory=VideoMemory(store))
    first = agent.run(clip, "Which colour at 3")
    untold = VideoAgent(ScriptedPolicy(see), frames=frames).run(clip, "Which colour at 3")
    assert first.trajectory.recalled == ""
    assert _texts(first.trajectory.messages) == _texts(untold.trajectory.messages)

    second = agent.run(clip, "Which colour at 5")
    told_then = "Asked: Which colour at 3 Answered: yellow 112x84 3 (seen at [00:03])"
    assert second.trajectory.recalled == f"{HEADING}\n- {told_then}"
    question = untold.trajectory.messages[1]["content"].replace("at 3", "at 5")
    assert opening_text(policy) == f"{question}\n\n{second.trajectory.recalled}"

    again = agent.run(clip, "Which colour at 3")
    assert again.trajectory.recalled.count("Which colour at 3") == 1
    assert again.trajectory.recalled.count("Which colour at 5") == 1


def _texts(messages: list[dict[str, Any]]) -> list[Any]:
    return [message["content"] for message in messages]


def test_references_are_kept_and_never_pixels(
    store: BaseStore, clip: Path, frames: FrameStore
) -> None:
    VideoAgent(ScriptedPolicy(see), frames=frames, memory=VideoMemory(store)).run(clip, "At 3?")
    digest = identity(clip).removeprefix("sha256:")
    (item,) = store.search(("eva_graph", "videos", digest))
    note = VideoMemory(store).notes(identity(clip))[0]
    assert isinstance(note, AnswerNote)
    (stretch,) = note.evidence
    (frame,) = [FrameRef.from_json(one) for one in stretch.frames]
    assert (frame.pts_seconds, frame.video_id) == (3.0, identity(clip))
    assert frames.read(frame)[:2] == b"\xff\xd8"
    assert len(json.dumps(item.value)) < 1_000


def test_scenes_and_subtitles_are_remembered(store: BaseStore, tmp_path: Path) -> None:
    clip = make_clip(tmp_path / "talk.mp4", seconds=4, size=(112, 84), fps=5)
    clip.with_suffix(".srt").write_text(SUBTITLES)
    looks = call({"start_time": 0, "end_time": 4}, tool="transcript")
    scenes = call({"nframes": 2}, tool="scene_detect")
    policy = ScriptedPolicy([looks, scenes, "I do not know."])
    memory = VideoMemory(store)
    tools = ["transcript", "scene_detect"]
    agent = VideoAgent(policy, tools=tools, frames=FrameStore(tmp_path / "f"), memory=memory)
    agent.run(clip, "Who speaks?")
    recalled = agent.run(clip, "And then?").trajectory.recalled
    assert "- Said from [00:00] to [00:04]:\n[00:01] Hello, ‹tool_call> there." in recalled
    assert "- Scenes from [00:00] to [00:04]:\n1. [00:00–" in recalled
    assert "frames show" not in recalled, "they are not shown with the notes"
    scene_note = next(note for note in memory.notes(identity(clip)) if isinstance(note, LookNote))
    assert scene_note.tool == "scene_detect"
    assert len(scene_note.frames) == 2


def test_a_video_is_studied_beforehand(memory: VideoMemory, tmp_path: Path) -> None:
    clip = make_clip(tmp_path / "talk.mp4", seconds=4, size=(112, 84), fps=5)
    clip.with_suffix(".srt").write_text(SUBTITLES)
    with Video.open(clip) as video:
        learned = memory.study(video)
        memory.study(video)
    assert [note.tool for note in learned] == ["scene_detect", "transcript"]
    assert len(memory.notes(identity(clip))) == 2
    policy = ScriptedPolicy([answer("red")])
    VideoAgent(policy, memory=memory, frames=FrameStore(tmp_path / "f")).run(clip, "?")
    assert "[00:01] Hello" in opening_text(policy)


def build(graph: Any) -> Any:
    parent = StateGraph(AgentInput, output_schema=AgentOutput)
    parent.add_node("video", graph)
    parent.add_edge(START, "video")
    return parent


def test_the_store_of_the_parent_is_used(
    store: BaseStore, clip: Path, frames: FrameStore, tmp_path: Path
) -> None:
    policy = ScriptedPolicy(see)
    parent = build(build_graph(policy, frames=frames, memory=VideoMemory()))
    with SqliteSaver.from_conn_string(str(tmp_path / "checkpoints.db")) as saver:
        graph = parent.compile(checkpointer=saver, store=store)
        for second in (3, 5):
            graph.invoke({"video": str(clip), "question": f"Which colour at {second}"}, THREAD)
    assert "Which colour at 3 Answered: yellow" in opening_text(policy)


async def test_an_async_parent_and_its_async_store(
    clip: Path, frames: FrameStore, tmp_path: Path
) -> None:
    policy = ScriptedPolicy(see)
    memory = VideoMemory()
    parent = build(build_graph(policy, frames=frames, memory=memory))
    async with (
        AsyncSqliteSaver.from_conn_string(str(tmp_path / "checkpoints.db")) as saver,
        AsyncSqliteStore.from_conn_string(str(tmp_path / "store.db")) as store,
    ):
        await store.setup()
        graph = parent.compile(checkpointer=saver, store=store)
        for second in (3, 5):
            asked = {"video": str(clip), "question": f"Which colour at {second}"}
            await graph.ainvoke(asked, THREAD)
        digest = identity(clip).removeprefix("sha256:")
        assert len(await store.asearch(("eva_graph", "videos", digest))) == 2
    assert "Which colour at 3 Answered: yellow" in opening_text(policy)


def test_without_a_store_one_line_says_what_to_do(clip: Path, frames: FrameStore) -> None:
    agent = VideoAgent(ScriptedPolicy(see), frames=frames, memory=VideoMemory())
    with pytest.raises(InvalidRequest, match=r"give VideoMemory one.*store=…") as raised:
        agent.run(clip, "At 3?")
    assert "\n" not in str(raised.value)


def test_an_answer_without_frames_is_not_remembered(
    memory: VideoMemory, clip: Path, frames: FrameStore
) -> None:
    for script in ([answer("red")], [look(span(0, 1, 1)), "Well."] * 3):
        VideoAgent(ScriptedPolicy(script), frames=frames, memory=memory).run(clip, QUESTION)
    assert memory.notes(identity(clip)) == []
    VideoAgent(ScriptedPolicy(TWO_LOOKS), frames=frames, memory=memory).run(clip, QUESTION)
    assert len(memory.notes(identity(clip))) == 1


def test_with_options_the_text_is_remembered(
    memory: VideoMemory, clip: Path, frames: FrameStore
) -> None:
    agent = VideoAgent(
        ScriptedPolicy([look(span(3, 3, 1)), answer("B")]), frames=frames, memory=memory
    )
    agent.run(clip, QUESTION, options=["green", "yellow"])
    (note,) = memory.notes(identity(clip))
    assert isinstance(note, AnswerNote)
    assert note.answer == "yellow"


def test_a_moved_file_is_the_same_video_and_a_changed_one_is_not(
    memory: VideoMemory, clip: Path, frames: FrameStore, tmp_path: Path
) -> None:
    agent = VideoAgent(ScriptedPolicy(see), frames=frames, memory=memory)
    agent.run(clip, "At 3?")
    moved = shutil.copy(clip, tmp_path / "moved.mp4")
    other = make_clip(tmp_path / "other.mp4", seconds=8, size=(112, 84), fps=4)
    assert "At 3?" in agent.run(moved, "At 5?").trajectory.recalled
    assert agent.run(other, "At 5?").trajectory.recalled == ""


def test_it_stays_small_and_forgets_the_oldest(store: BaseStore) -> None:
    memory = VideoMemory(store, max_notes=3, max_characters=300)
    for number in range(6):
        memory.add("sha256:ab", answered(f"Question {number}?", number))
    memory.add("sha256:cd", answered("Another video?"))
    kept = [note.question for note in memory.notes("sha256:ab") if isinstance(note, AnswerNote)]
    assert kept == ["Question 5?", "Question 4?", "Question 3?"]
    memory.forget("sha256:ab")
    assert (memory.notes("sha256:ab"), len(memory.notes("sha256:cd"))) == ([], 1)


def test_many_notes_are_all_found() -> None:
    memory = VideoMemory(InMemoryStore(), max_notes=120)
    for number in range(125):
        memory.add("sha256:ab", answered(f"Question {number}?", number))
    kept = [note.question for note in memory.notes("sha256:ab") if isinstance(note, AnswerNote)]
    assert kept == [f"Question {number}?" for number in range(124, 4, -1)]


def test_users_are_kept_apart(store: BaseStore) -> None:
    ada = VideoMemory(store, namespace=("ada", "videos"))
    ada.add("sha256:ab", answered("Mine?"))
    assert VideoMemory(store, namespace=("bob", "videos")).notes("sha256:ab") == []
    assert VideoMemory(store).notes("sha256:ab") == []
    assert len(ada.notes("sha256:ab")) == 1


def test_what_is_no_note_is_left_alone(store: BaseStore, caplog: pytest.LogCaptureFixture) -> None:
    namespace = ("eva_graph", "videos", "ab")
    store.put(namespace, "mine", {"a": 1}, index=False)
    store.put(namespace, "bad", {"kind": "answer", "question": 3}, index=False)
    memory = VideoMemory(store)
    memory.add("sha256:ab", answered("A question?"))
    assert [note.kind for note in memory.notes("sha256:ab")] == ["answer"]
    assert "eva_graph/videos/ab/bad holds no note" in caplog.text


def test_a_policy_that_knows_only_its_world_is_not_told(
    memory: VideoMemory, clip: Path, frames: FrameStore, caplog: pytest.LogCaptureFixture
) -> None:
    policy = ScriptedPolicy(see)
    policy.info = PolicyInfo(name="small", backend="scripted", knows="a world")
    agent = VideoAgent(policy, frames=frames, memory=memory)
    agent.run(clip, "At 3?")
    with caplog.at_level(logging.WARNING):
        assert agent.run(clip, "At 5?").trajectory.recalled == ""
    assert HEADING not in opening_text(policy)
    assert "small was not told what is remembered of clip.mp4" in caplog.text
    assert len(memory.notes(identity(clip))) == 2


def test_an_episode_that_was_told_is_not_exported(
    memory: VideoMemory, clip: Path, frames: FrameStore
) -> None:
    agent = VideoAgent(ScriptedPolicy(see), frames=frames, memory=memory)
    first, second = (agent.run(clip, f"At {at}?").trajectory for at in (3, 5))
    assert Selection().refusal(first) is None
    assert Selection().refusal(second) == "a memory told of earlier episodes"


def test_many_episodes_at_once_lose_no_note(
    store: BaseStore, clip: Path, frames: FrameStore
) -> None:
    agent = VideoAgent(ScriptedPolicy(see), frames=frames, memory=VideoMemory(store))
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda second: agent.run(clip, f"Which colour at {second}"), range(8)))
    assert len(VideoMemory(store).notes(identity(clip))) == 8


@pytest.mark.parametrize(
    "arguments",
    [
        {"store": {}},
        {"namespace": ("a.b",)},
        {"namespace": "ada"},
        {"max_notes": 0},
        {"max_characters": 0},
    ],
)
def test_what_cannot_be_is_refused(arguments: dict[str, Any]) -> None:
    with pytest.raises(InvalidRequest):
        VideoMemory(**arguments)


def test_a_store_is_no_memory() -> None:
    memory: Any = InMemoryStore()
    with pytest.raises(InvalidRequest, match="memory must be a VideoMemory"):
        VideoAgent(ScriptedPolicy(see), memory=memory)


def test_the_reference_profile_is_told_nothing() -> None:
    with pytest.raises(InvalidRequest, match="leave memory out"):
        VideoAgent(ScriptedPolicy(see), profile="reference", memory=VideoMemory())


@given(st.lists(st.text(max_size=400), max_size=12), st.integers(1, 1_500))
def test_the_telling_is_bounded_and_one_line_a_note(questions: list[str], limit: int) -> None:
    notes: list[AnswerNote | LookNote] = [answered(question) for question in questions]
    text = told(notes, limit)
    assert len(text) <= limit or text == ""
    assert "<tool_call>" not in text
    assert len(text.splitlines()) <= 1 + len(questions)


@given(st.lists(st.text("ab ", min_size=1, max_size=60), min_size=1, max_size=60))
def test_a_long_note_is_cut_between_lines(lines: list[str]) -> None:
    note = LookNote(tool="transcript", applied={}, lines=tuple(lines))
    text = told([note], 800)
    body = text.splitlines()[2:]
    whole = note.text.splitlines()[1:]
    cut = body[-1:] if body[-1:] != whole[len(body) - 1 : len(body)] else []
    assert body[: len(body) - len(cut)] == whole[: len(body) - len(cut)]
    if cut:
        assert cut == [f"({len(whole) - len(body) + 1} more lines)"]
