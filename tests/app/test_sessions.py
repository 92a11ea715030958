"""Sessions own their folders, and end with them."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from eva_graph.app.files import frame_file
from eva_graph.app.limits import PageLimits
from eva_graph.app.sessions import Sessions
from eva_graph.errors import InvalidRequest


def test_each_page_has_its_own(tmp_path: Path) -> None:
    sessions = Sessions(tmp_path, limit=4)
    first, second = sessions.of("a"), sessions.of("b")
    assert sessions.of("a") is first
    assert first.token != second.token
    assert not first.folder.is_relative_to(second.folder)
    assert sessions.by_token(second.token) is second
    assert sessions.by_token(second.token[:-1]) is None
    assert sessions.by_token("é") is None
    sessions.close("a")
    assert sessions.by_token(first.token) is None
    assert not first.folder.exists()
    sessions.close("a")
    sessions.close_all()
    assert not tmp_path.exists()


async def test_beyond_the_limit_the_oldest_idle_one_ends(tmp_path: Path) -> None:
    sessions = Sessions(tmp_path, limit=2)
    busy, idle = sessions.of("busy"), sessions.of("idle")
    busy.asking = asyncio.create_task(asyncio.Event().wait())
    sessions.of("third")
    assert not idle.folder.exists()
    assert busy.folder.exists()
    assert len(sessions) == 2
    sessions.close("busy")
    with pytest.raises(asyncio.CancelledError):
        await busy.asking


def test_a_frame_is_found_by_its_hash_alone(tmp_path: Path) -> None:
    name = "ab" + "0" * 62
    (tmp_path / "ab").mkdir()
    (tmp_path / "ab" / f"{name}.jpg").write_bytes(b"jpeg")
    assert frame_file(tmp_path, name) == tmp_path / "ab" / f"{name}.jpg"
    for other in ("cd" + "0" * 62, name.upper(), f"../{name}", f"{name}.jpg", ""):
        assert frame_file(tmp_path, other) is None


@pytest.mark.parametrize(
    "wrong",
    [
        {"upload_bytes": 0},
        {"parallel": 0},
        {"waiting": 0},
        {"sessions": 0},
        {"question_seconds": 0.0},
        {"question_seconds": float("inf")},
        {"question_seconds": float("nan")},
    ],
)
def test_limits_that_make_no_sense_are_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(InvalidRequest):
        PageLimits(**wrong)
