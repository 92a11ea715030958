"""A process killed in the middle of a look, and another one that goes on, over real databases."""

from __future__ import annotations

import base64
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from killed_look import THREAD, Run, saver
from postgres_server import postgres_serving

from eva_graph.blocks import frames_of
from eva_graph_tools import FrameStore

CALLS = 3
FRAMES = 3
SECOND_LOOK = 3
"""The frame that the second look stores."""


@pytest.fixture(scope="module")
def postgres() -> Iterator[str]:
    with postgres_serving() as address:
        yield address


@pytest.fixture
def database(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """An empty database: a file, or one of its own in the server."""
    if request.param == "sqlite":
        return str(tmp_path / "checkpoints.db")
    server: str = request.getfixturevalue("postgres")
    name = f"d{abs(hash(tmp_path))}"
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}")  # type: ignore[call-overload]
    return server.replace("/postgres", f"/{name}")


both = pytest.mark.parametrize(
    "database", ["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)], indirect=True
)


@both
@pytest.mark.parametrize("awaits", [False, True])
@pytest.mark.parametrize("frame", [1, SECOND_LOOK])
def test_killed_in_a_look(
    frame: int, awaits: bool, database: str, clip: Path, tmp_path: Path
) -> None:
    killed = Run(folder=tmp_path, database=database, video=clip, awaits=awaits, dies_at_frame=frame)
    assert killed.start() is None
    asked = killed.calls
    assert asked == (1 if frame == 1 else 2)
    output = Run(folder=tmp_path, database=database, awaits=awaits).start()
    assert output is not None
    assert output["answer"] == "yellow"
    assert killed.calls == CALLS, "what had been written was not asked again"
    check_no_pixels(database, FrameStore(tmp_path / "frames"))


def check_no_pixels(database: str, frames: FrameStore) -> None:
    """The whole database, every table, holds references to the frames and nothing of them."""
    with saver(database) as opened:
        messages = opened.get_tuple(THREAD).checkpoint["channel_values"]["messages"]
    shown = list(frames_of(messages))
    assert len(shown) == FRAMES
    cells = list(cells_of(database))
    for ref in shown:
        pixels = frames.read(ref)[200:260]
        assert not any(pixels in cell or base64.b64encode(pixels) in cell for cell in cells)
        assert any(ref.uri.encode() in cell for cell in cells)
    assert not any(b"base64" in cell for cell in cells)
    assert sum(map(len, cells)) < 200_000


def cells_of(database: str) -> Iterator[bytes]:
    """Every value of every table as bytes."""
    if database.startswith("postgresql://"):
        with psycopg.connect(database) as connection:
            tables = connection.execute(
                "SELECT tablename FROM pg_tables WHERE schemaname = 'public'"
            ).fetchall()
            for (table,) in tables:
                yield from _cells(connection.execute(f"SELECT * FROM {table}"))  # type: ignore[call-overload]
    else:
        with sqlite3.connect(database) as connection:
            names = connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")
            for (table,) in names.fetchall():
                yield from _cells(connection.execute(f"SELECT * FROM {table}"))
        connection.close()


def _cells(rows: object) -> Iterator[bytes]:
    for row in rows:  # type: ignore[attr-defined]
        for value in row:
            yield value if isinstance(value, bytes) else str(value).encode()
