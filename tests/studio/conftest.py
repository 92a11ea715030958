"""A media root with something to find and something to hide, and a policy behind HTTP."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from canary import Canary
from episodes import TWO_LOOKS
from openai_server import OpenAIServer


@pytest.fixture
def canary(tmp_path: Path) -> Canary:
    """Videos outside the media root that nothing may open."""
    return Canary(tmp_path / "outside")


@pytest.fixture
def root(tmp_path: Path, clip: Path, canary: Canary) -> Path:
    """A clip and subtitles, a link that stays inside, and ways out that must be closed."""
    folder = tmp_path / "media"
    (folder / "talks").mkdir(parents=True)
    (folder / "talks" / "clip.mp4").write_bytes(clip.read_bytes())
    (folder / "inside.mp4").symlink_to(folder / "talks" / "clip.mp4")
    (folder / "link.mp4").symlink_to(canary.video)
    (folder / "door").symlink_to(canary.folder)
    return folder


@pytest.fixture
def policy() -> Iterator[OpenAIServer]:
    """Two looks and the answer `yellow`, for every conversation."""
    with OpenAIServer(TWO_LOOKS) as server:
        yield server
