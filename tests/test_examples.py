"""The examples run as a user would run them, with the embedded nano on a synthetic video."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from eva_graph_training.world.demo import demo_task
from eva_graph_training.world.render import render

EXAMPLES = Path(__file__).parent.parent / "examples"


@pytest.fixture
def world(tmp_path: Path) -> tuple[Path, str]:
    scene, question = demo_task(7, "time")
    path = tmp_path / "world.mp4"
    render(scene, path)
    return path, question.text


def run(example: str, *arguments: str, folder: Path) -> str:
    command = [sys.executable, "-W", "error", str(EXAMPLES / example), *arguments]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_ask(world: tuple[Path, str], tmp_path: Path) -> None:
    path, question = world
    lines = run("ask.py", str(path), question, folder=tmp_path).splitlines()
    assert lines[0].startswith("1 summary")
    assert "(answered, " in lines[-1]


def test_as_node(world: tuple[Path, str], tmp_path: Path) -> None:
    path, question = world
    output = run("as_node.py", str(path), question, question, folder=tmp_path)
    first, second = output.splitlines()
    assert first == second
    assert first.startswith(question)
