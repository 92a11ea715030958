"""One core for sync and async: same transcripts, no blocked event loop, no mixing."""

from __future__ import annotations

import asyncio
import json
import sys
import threading
from pathlib import Path
from typing import Any

import pytest
from episodes import QUESTION, TWO_LOOKS, lasting, see
from openai_server import OpenAIServer

from eva_graph import RunResult, Step, StopReason, VideoAgent, build_graph
from eva_graph.policy.protocol import Completion, PolicyRequest
from eva_graph.testing import ScriptedPolicy, clip_colour, make_clip
from eva_graph_tools import Frame, FrameRef, FrameStore


class Yielding(ScriptedPolicy):
    """Lets other tasks run while it writes."""

    async def agenerate(self, request: PolicyRequest) -> Completion:
        return await asyncio.to_thread(self.generate, request)


async def test_sync_and_async_write_the_same_transcript(clip: Path, frames: FrameStore) -> None:
    agent = VideoAgent(ScriptedPolicy(TWO_LOOKS), frames=frames)
    inside_a_running_loop = agent.run(clip, QUESTION)  # as in a notebook
    in_a_thread = await asyncio.to_thread(agent.run, clip, QUESTION)
    awaited = await agent.arun(clip, QUESTION)
    assert lasting(inside_a_running_loop.trajectory) == lasting(in_a_thread.trajectory)
    assert lasting(awaited.trajectory) == lasting(in_a_thread.trajectory)
    assert awaited.stop_reason is StopReason.ANSWERED


async def test_a_served_policy_inside_a_running_loop(clip: Path, frames: FrameStore) -> None:
    with OpenAIServer(TWO_LOOKS) as server:
        agent = VideoAgent(server.base_url, frames=frames)
        results = [agent.run(clip, QUESTION), await agent.arun(clip, QUESTION)]
    assert [result.answer for result in results] == ["yellow", "yellow"]
    bodies = [
        json.dumps(server.requests[first : first + 3]).replace(result.trajectory.trajectory_id, "T")
        for first, result in zip((0, 3), results, strict=True)
    ]
    assert bodies[0] == bodies[1]


async def test_steps_arrive_as_they_happen(clip: Path, frames: FrameStore) -> None:
    policy = ScriptedPolicy(TWO_LOOKS)
    agent = VideoAgent(policy, frames=frames)
    steps: list[Step | RunResult] = []
    asked: list[int] = []
    for item in agent.stream(clip, QUESTION):
        steps.append(item)
        asked.append(len(policy.requests))
    *news, result = steps
    nodes = ["summary", "plan", "action", "reflection"]
    told = [(step.node, step.turn) for step in news if isinstance(step, Step)]
    assert told == [
        *zip(nodes, [1, 1, 1, 2], strict=True),
        *zip(nodes, [2, 2, 2, 3], strict=True),
        ("reflection", 0),
    ]
    assert asked[0] < asked[-1]
    assert isinstance(result, RunResult)
    assert {step.trajectory_id for step in news if isinstance(step, Step)} == {
        result.trajectory.trajectory_id
    }
    again = [item async for item in agent.astream(clip, QUESTION)]
    assert [(s.node, s.turn, s.data.keys()) for s in again[:-1] if isinstance(s, Step)] == [
        (s.node, s.turn, s.data.keys()) for s in news if isinstance(s, Step)
    ]


async def test_a_stream_may_be_abandoned(clip: Path, frames: FrameStore) -> None:
    agent = VideoAgent(Yielding(TWO_LOOKS), frames=frames)
    steps = agent.stream(clip, QUESTION)
    assert isinstance(next(iter(steps)), Step)
    steps.close()  # type: ignore[attr-defined]
    async_steps = agent.astream(clip, QUESTION)
    assert isinstance(await anext(aiter(async_steps)), Step)
    await async_steps.aclose()  # type: ignore[attr-defined]
    assert (await agent.arun(clip, QUESTION)).answer == "yellow"


async def test_forty_runs_at_once_do_not_mix(
    clip: Path, frames: FrameStore, tmp_path: Path
) -> None:
    other = make_clip(tmp_path / "other.mp4", seconds=8, size=(168, 112), fps=5)
    agent = VideoAgent(Yielding(see), frames=frames)
    cases = [(video, n % 8, size) for n in range(20) for video, size in
             ((clip, "112x84"), (other, "168x112"))]  # fmt: skip
    results = await asyncio.gather(
        *(
            agent.arun(video, f"Which colour is shown at {second}", record=tmp_path / "run")
            for video, second, _ in cases
        )
    )
    for (video, second, size), result in zip(cases, results, strict=True):
        assert result.answer == f"{clip_colour(second)} {size} {second}"
        assert result.trajectory.video.path == str(video)
        assert result.turns[0].calls[0].frames[0].pts_seconds == second
    assert len({result.trajectory.trajectory_id for result in results}) == 40


class NamedStore(FrameStore):
    """Notes which threads write frames."""

    def __init__(self, root: Path) -> None:
        super().__init__(root)
        self.threads: set[int] = set()

    def put(self, frame: Frame, video_id: str, encoding: str = "jpeg;q=90") -> FrameRef:
        self.threads.add(threading.get_ident())
        return super().put(frame, video_id, encoding)


class FileWatch:
    """Files that one thread opens."""

    def __init__(self, thread: int) -> None:
        self.thread = thread
        self.opened: list[str] = []
        self.on = True
        sys.addaudithook(self.note)

    def note(self, event: str, arguments: tuple[Any, ...]) -> None:
        if self.on and event == "open" and threading.get_ident() == self.thread:
            self.opened.append(str(arguments[0]))


async def test_the_event_loop_neither_decodes_nor_touches_files(clip: Path, tmp_path: Path) -> None:
    store = NamedStore(tmp_path / "cache")
    agent = VideoAgent(Yielding(see), frames=store)
    await agent.arun(clip, "Which colour is shown at 1")  # imports are done after this
    watch = FileWatch(threading.get_ident())
    await agent.arun(clip, "Which colour is shown at 2")
    await agent.arun(clip, "Which colour is shown at 3", record=tmp_path / "run")
    await agent.graph.ainvoke({"video": str(clip), "question": "Which colour is shown at 4"})
    watch.on = False
    assert watch.opened == []
    assert store.threads
    assert threading.get_ident() not in store.threads


async def test_a_cancelled_run_leaves_the_agent_usable(clip: Path, frames: FrameStore) -> None:
    started = asyncio.Event()

    class Stuck(ScriptedPolicy):
        async def agenerate(self, request: PolicyRequest) -> Completion:
            if started.is_set():
                return self.generate(request)
            started.set()
            await asyncio.Event().wait()
            raise AssertionError("waits for ever")

    agent = VideoAgent(Stuck(TWO_LOOKS), frames=frames)
    task = asyncio.create_task(agent.arun(clip, QUESTION))
    await started.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert (await agent.arun(clip, QUESTION)).answer == "yellow"


async def test_graph_is_invoked_either_way(clip: Path, frames: FrameStore) -> None:
    graph = build_graph(ScriptedPolicy(TWO_LOOKS), frames=frames)
    asked = {"video": str(clip), "question": QUESTION}
    outputs = [graph.invoke(asked), await graph.ainvoke(asked)]
    for output in outputs:
        assert sorted(output) == ["answer", "evidence", "stop_reason", "trajectory_id"]
        assert (output["answer"], output["stop_reason"]) == ("yellow", "answered")
        assert output["evidence"][0]["start_seconds"] == 3.0
    assert outputs[0]["trajectory_id"] != outputs[1]["trajectory_id"]
