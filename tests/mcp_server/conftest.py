"""A folder of real clips, and `eva-graph mcp` as a process that a real client talks to."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from mcp import StdioServerParameters
from numbered_video import Recipe, render

from eva_graph.testing import make_clip

Launch = Callable[..., StdioServerParameters]


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Clips with and without subtitles, a broken file, links and a secret outside."""
    base = tmp_path_factory.mktemp("served")
    inside = base / "media"
    (inside / "talks").mkdir(parents=True)
    render(inside / "numbers.mp4", Recipe(suffix=".mp4"))
    make_clip(inside / "talks" / "colours.mp4", seconds=6, size=(112, 84), fps=5)
    (inside / "talks" / "colours.srt").write_text("1\n00:00:02,000 --> 00:00:03,000\nblue now\n")
    (inside / "broken.mp4").write_bytes(b"no video at all")
    make_clip(base / "secret.mp4", seconds=1)
    (inside / "link.mp4").symlink_to(base / "secret.mp4")
    (inside / "door").symlink_to(base)
    return inside


@pytest.fixture
def launch(root: Path, tmp_path: Path) -> Launch:
    """What starts a server of the folder."""

    def parameters(*options: str) -> StdioServerParameters:
        return StdioServerParameters(
            command=sys.executable,
            args=["-W", "error", "-m", "eva_graph.cli", "mcp", str(root), *options],
            env={**os.environ, "XDG_CACHE_HOME": str(tmp_path / "cache")},
        )

    return parameters
