"""Memory of videos in a real PostgreSQL store, from sync and async graphs and many at once."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from episodes import see
from langgraph.store.postgres import PostgresStore
from langgraph.store.postgres.aio import AsyncPostgresStore
from postgres_server import postgres_serving

from eva_graph import VideoAgent, VideoMemory
from eva_graph.testing import ScriptedPolicy
from eva_graph_tools import FrameStore, Video

pytestmark = pytest.mark.postgres


@pytest.fixture(scope="module")
def postgres() -> Iterator[str]:
    with postgres_serving() as address:
        yield address


async def test_notes_are_kept_and_told(postgres: str, clip: Path, frames: FrameStore) -> None:
    with Video.open(clip) as video:
        video_id = video.video_id
    with PostgresStore.from_conn_string(postgres) as store:
        store.setup()
        memory = VideoMemory(store, max_notes=6)
        agent = VideoAgent(ScriptedPolicy(see), frames=frames, memory=memory)
        with ThreadPoolExecutor(4) as pool:
            list(pool.map(lambda second: agent.run(clip, f"Which colour at {second}"), range(8)))
        assert len(memory.notes(video_id)) == 6
    async with AsyncPostgresStore.from_conn_string(postgres) as awaited:
        agent = VideoAgent(ScriptedPolicy(see), frames=frames, memory=VideoMemory(awaited))
        result = await agent.arun(clip, "Which colour at 1")
    assert result.trajectory.recalled.count("Asked: Which colour at ") == 6
