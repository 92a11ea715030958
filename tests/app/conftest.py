"""A folder of clips to offer, and pages as processes of their own."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from functools import partial
from pathlib import Path

import pytest
from served_page import COLOURS, Served, served_page

from eva_graph.testing import make_clip

Serve = Callable[..., AbstractContextManager[Served]]


@pytest.fixture(scope="session")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A clip in a folder, a broken file, links that leave the folder, and a secret outside."""
    base = tmp_path_factory.mktemp("offered")
    inside = base / "media"
    (inside / "talks").mkdir(parents=True)
    make_clip(inside / COLOURS, seconds=6, size=(112, 84), fps=5)
    (inside / "broken.mp4").write_bytes(b"no video at all")
    make_clip(base / "secret.mp4", seconds=1)
    (inside / "link.mp4").symlink_to(base / "secret.mp4")
    (inside / "door").symlink_to(base)
    return inside


@pytest.fixture(scope="module")
def serve(tmp_path_factory: pytest.TempPathFactory) -> Serve:
    """Starts pages; each ends with its block."""
    return partial(served_page, tmp_path_factory.mktemp("page"))
