"""`eva-graph app` as a process of its own, a folder of clips to offer, and parts of the page."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from eva_graph.testing import make_clip

COLOURS = "talks/colours.mp4"


@dataclass(frozen=True, kw_only=True)
class Served:
    """A running page."""

    address: str
    process: subprocess.Popen[str]
    folder: Path
    """Where the server keeps its temporary files."""

    def sessions(self) -> list[Path]:
        """Folders of the open sessions."""
        return sorted(self.folder.glob("eva-graph-app-*/page/sessions/*"))

    def uploads(self) -> list[Path]:
        """Uploaded files that no session took."""
        found = self.folder.glob("eva-graph-app-*/page/uploads/**/*")
        return sorted(path for path in found if path.is_file() and path.stat().st_size)


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


@pytest.fixture(scope="session")
def serve(tmp_path_factory: pytest.TempPathFactory) -> Serve:
    """Starts pages; each ends with its test and leaves nothing behind."""

    @contextmanager
    def started(*options: str, media_root: Path | None = None) -> Iterator[Served]:
        folder = tmp_path_factory.mktemp("page")
        environment = {**os.environ, "TMPDIR": str(folder)}
        environment.pop("EVA_GRAPH_MEDIA_ROOT", None)
        if media_root is not None:
            environment["EVA_GRAPH_MEDIA_ROOT"] = str(media_root)
        process = subprocess.Popen(
            [sys.executable, "-m", "eva_graph.cli", "app", "--port", "0", *options],
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        assert process.stderr is not None
        said = process.stderr.readline().strip()
        assert said.startswith("http://127.0.0.1:"), said + process.stderr.read()
        try:
            yield Served(address=said, process=process, folder=folder)
        finally:
            process.terminate()
            out, told = process.communicate(timeout=60)
        assert (out, told) == ("", "")
        assert list(folder.iterdir()) == []

    return started
