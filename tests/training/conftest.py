"""Recorded runs that the export tests share: made once, never changed."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest
import recorded_runs
from random_model import random_model


@pytest.fixture(scope="session")
def run_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("runs")


@pytest.fixture(scope="session")
def clips(run_folder: Path) -> Sequence[Path]:
    return recorded_runs.make_clips(run_folder)


@pytest.fixture(scope="session")
def scripted(run_folder: Path, clips: Sequence[Path]) -> Path:
    return recorded_runs.scripted_run(clips, run_folder / "scripted")


@pytest.fixture(scope="session")
def edited(run_folder: Path, clips: Sequence[Path]) -> Path:
    return recorded_runs.edited_run(clips[0], run_folder / "edited")


@pytest.fixture(scope="session")
def phased(run_folder: Path, clips: Sequence[Path]) -> Path:
    return recorded_runs.phase_run(clips[0], run_folder / "phased")


@pytest.fixture(scope="session")
def native(run_folder: Path, clips: Sequence[Path]) -> Path:
    return recorded_runs.native_run(clips[0], run_folder / "native")


@pytest.fixture(scope="session")
def model_folder(run_folder: Path) -> Path:
    return random_model(run_folder / "model")


@pytest.fixture(scope="session")
def with_tokens(run_folder: Path, clips: Sequence[Path], model_folder: Path) -> Path:
    return recorded_runs.token_run(clips, run_folder / "tokens", model_folder)
