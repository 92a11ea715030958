"""Runs that the page's tests share."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from made_run import make_run

from eva_graph.trajectory import RunStore, Trajectory
from eva_graph.viewer import View, write_view


@pytest.fixture(scope="session")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A dozen questions on three videos, eight frames each."""
    return make_run(tmp_path_factory.mktemp("runs") / "first", 12)


@pytest.fixture(scope="session")
def other_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same questions, most of them looked at and answered otherwise."""
    return make_run(tmp_path_factory.mktemp("runs") / "second", 12, seed=1)


@pytest.fixture
def changed(run: Path, tmp_path: Path) -> Callable[..., Path]:
    """A run of one record: the first of `run`, changed; its frames are copied or left out."""

    def change(*, frames: bool = True, **update: Any) -> Path:
        source, store = RunStore(run), RunStore(tmp_path / "changed")
        first = next(iter(source.records()))
        store.append(Trajectory.model_validate({**first.model_dump(), **update}))
        if frames:
            store.frames.root.symlink_to(source.frames.root)
        return store.run

    return change


@pytest.fixture
def written(tmp_path: Path) -> Callable[..., View]:
    """Writes a page about some runs."""

    def write(*runs: Path, **settings: Any) -> View:
        return write_view(runs, tmp_path / "page.html", **settings)

    return write
