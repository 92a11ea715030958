"""A question while it is answered: its stages, its limits, and what leaves the server."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
from episodes import TWO_LOOKS
from openai_server import Fault, OpenAIServer

from eva_graph import Context, Trajectory, VideoAgent
from eva_graph.app.chosen import ChosenVideo, choose
from eva_graph.app.live import Question
from eva_graph.app.samples import Sample
from eva_graph.app.sessions import Session, Sessions
from eva_graph.app.shared import shared_record, view_page
from eva_graph.app.stage import Stage
from eva_graph.errors import TrajectoryError
from eva_graph.testing import ScriptedPolicy
from eva_graph.trajectory import check_record
from eva_graph.videos import OpenVideos

ASKED = "Which colour is shown at 3 seconds?"
HOSTILE = "<img src=x onerror=alert(1)>${alert(2)}{{value}}"


@pytest.fixture
def session(tmp_path: Path) -> Session:
    return Sessions(tmp_path / "sessions", limit=4).of("a")


@pytest.fixture(scope="module")
def video(clip: Path) -> ChosenVideo:
    sample = Sample(name="clip", question=ASKED, expected="yellow")
    return choose(clip, clip.parent, "the clip", timeout_seconds=60, isolated=False, sample=sample)


def question(
    session: Session, video: ChosenVideo, policy: Any, *, text: str = ASKED, seconds: float = 60
) -> Question:
    session.video = video
    agent = VideoAgent(policy, videos=OpenVideos(media_root=video.root))
    return Question(
        agent=agent,
        session=session,
        video=video,
        text=text,
        options=(),
        context=Context(),
        limit_seconds=seconds,
    )


async def stages(asked: Question) -> list[Stage]:
    return [stage async for stage in asked.stages()]


async def test_the_stages_tell_the_cycle(session: Session, video: ChosenVideo) -> None:
    seen = await stages(question(session, video, ScriptedPolicy(TWO_LOOKS)))
    assert [stage.phase for stage in seen] == ["running"] * (len(seen) - 1) + ["done"]
    doing = [stage.doing for stage in seen]
    assert doing[0] == "Reading the question"
    assert doing[1] == "Planning where to look"
    assert doing[2].startswith("Looking at 00:0")
    assert doing[3].startswith("Reflecting on ")
    assert doing[-1] == ""
    assert seen[2].planned
    assert seen[2].planned[0][:2] == (1, "frame_select")
    assert not any(stage.planned for stage in (*seen[:2], seen[3], seen[-1]))
    last = seen[-1].to_json()
    assert last["episode"]["answer"] == "yellow"
    assert last["episode"]["verdict"] == "right"
    assert len(last["episode"]["turns"]) == 3
    assert last["files"] == f"eva/{session.token}"
    assert json.loads(json.dumps(last, allow_nan=False)) == json.loads(json.dumps(last))
    pictures = [frame["picture"] for frame in last["episode"]["frames"]]
    assert pictures
    assert all(picture.startswith(f"eva/{session.token}/frames/") for picture in pictures)


async def test_what_leaves_the_server_names_no_folder_of_it(
    session: Session, video: ChosenVideo
) -> None:
    with pytest.raises(TrajectoryError, match="nothing was asked yet"):
        shared_record(session)
    seen = await stages(question(session, video, ScriptedPolicy(TWO_LOOKS)))
    record = shared_record(session)
    assert Trajectory.from_line(record.to_line()) == record
    assert record.video.path == "the clip"
    page = view_page(session).read_text(encoding="utf-8")
    for text in (record.to_line(), json.dumps(seen[-1].to_json()), page):
        assert str(session.folder) not in text
        assert str(video.root) not in text
    assert view_page(session).is_file(), "it can be made twice"


async def test_the_record_is_sound(session: Session, video: ChosenVideo) -> None:
    await stages(question(session, video, ScriptedPolicy(TWO_LOOKS)))
    from eva_graph.trajectory import RunStore

    assert not list(check_record(shared_record(session), RunStore(session.run).frames))


async def test_a_changed_question_has_no_known_answer(session: Session, video: ChosenVideo) -> None:
    asked = question(session, video, ScriptedPolicy(TWO_LOOKS), text="And at 4 seconds?")
    last = (await stages(asked))[-1].to_json()
    assert last["episode"]["verdict"] == "unknown"
    assert shared_record(session).expected is None


async def test_what_a_model_writes_stays_data(session: Session, video: ChosenVideo) -> None:
    script = [f"Summary: {HOSTILE}\nPlan: {HOSTILE}\n<answer>{HOSTILE}</answer>"]
    last = (await stages(question(session, video, ScriptedPolicy(script))))[-1]
    assert last.episode is not None
    assert last.episode["answer"] == HOSTILE


async def test_stop_ends_it_and_keeps_what_there_is(session: Session, video: ChosenVideo) -> None:
    with OpenAIServer(TWO_LOOKS, faults=[Fault.NONE, Fault.HANG]) as server:
        seen = []
        async for stage in question(session, video, server.base_url).stages():
            seen.append(stage)
            if stage.doing.startswith("Reflecting"):
                assert session.busy
                session.stop()
    assert seen[-1].phase == "stopped"
    assert seen[-1].message == "Stopped."
    assert not session.busy
    record = shared_record(session)
    assert record.stop_reason is None
    assert len(record.turns) == 1
    assert view_page(session).is_file()


async def test_time_runs_out(session: Session, video: ChosenVideo) -> None:
    with OpenAIServer(faults=Fault.HANG) as server:
        last = (await stages(question(session, video, server.base_url, seconds=2)))[-1]
    assert last.phase == "failed"
    assert last.message is not None
    assert "--question-timeout" in last.message
    assert not session.busy


async def test_a_reader_that_goes_ends_it(session: Session, video: ChosenVideo) -> None:
    with OpenAIServer(faults=Fault.HANG) as server:
        running = question(session, video, server.base_url).stages()
        await anext(running)
        assert session.asking is not None
        await running.aclose()
        await asyncio.wait([session.asking])
        assert session.asking.cancelled()


async def test_a_closed_session_ends_it(session: Session, video: ChosenVideo) -> None:
    with OpenAIServer(TWO_LOOKS, faults=[Fault.NONE, Fault.HANG]) as server:
        async for stage in question(session, video, server.base_url).stages():
            if stage.doing.startswith("Reflecting"):
                session.close()
    assert not session.folder.exists()


async def test_a_policy_that_fails_is_told(session: Session, video: ChosenVideo) -> None:
    last = (await stages(question(session, video, "http://127.0.0.1:9/v1")))[-1]
    assert last.phase == "done"
    assert last.episode is not None
    assert last.episode["stop_reason"] == "policy_error"
    assert last.episode["error"]


async def test_two_people_do_not_see_each_other(tmp_path: Path, video: ChosenVideo) -> None:
    sessions = Sessions(tmp_path / "sessions", limit=4)
    first, second = sessions.of("a"), sessions.of("b")
    runs = await asyncio.gather(
        stages(question(first, video, ScriptedPolicy(TWO_LOOKS))),
        stages(question(second, video, ScriptedPolicy(["<answer>red</answer>"]))),
    )
    answers = [run[-1].to_json()["episode"]["answer"] for run in runs]
    assert answers == ["yellow", "red"]
    for session, run in zip((first, second), runs, strict=True):
        other = second if session is first else first
        assert other.token not in json.dumps([stage.to_json() for stage in run])
        assert shared_record(session).trajectory_id == session.trajectory_id
