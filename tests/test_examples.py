"""The examples run: with a scripted server as their policy, and as a user would with nano."""

from __future__ import annotations

import io
import runpy
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from shutil import copy

import pytest
from embedding_server import as_supervisor
from openai_server import OpenAIServer

from eva_graph.notes import HEADING
from eva_graph.trajectory import RunStore
from eva_graph_training.world.demo import demo_task
from eva_graph_training.world.render import render

EXAMPLES = Path(__file__).parent.parent / "examples"


@pytest.fixture
def world(tmp_path: Path) -> tuple[Path, str]:
    scene, question = demo_task(7, "time")
    path = tmp_path / "world.mp4"
    render(scene, path)
    return path, question.text


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[str]:
    """The address of a server that is policy and chat model; the test runs in a new folder."""
    monkeypatch.chdir(tmp_path)
    with OpenAIServer(as_supervisor) as scripted:
        yield scripted.base_url


@pytest.fixture
def main(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[..., list[str]]:
    """Runs an example in this process and gives the lines that it printed."""

    def run_here(example: str, *arguments: str, typed: str = "") -> list[str]:
        monkeypatch.setattr(sys, "argv", [example, *arguments])
        monkeypatch.setattr(sys, "stdin", io.StringIO(typed))
        runpy.run_path(str(EXAMPLES / example), run_name="__main__")
        return capsys.readouterr().out.splitlines()

    return run_here


def run(example: str, *arguments: str, folder: Path, typed: str = "") -> str:
    command = [sys.executable, "-W", "error", str(EXAMPLES / example), *arguments]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, input=typed)
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


def test_with_other_state(main: Callable[..., list[str]], server: str, clip: Path) -> None:
    lines = main("with_other_state.py", str(clip), "At 3?", "Again?", "--policy", server)
    assert lines == ["At 3? yellow 00:03", "Again? yellow 00:03"]


def test_supervisor(main: Callable[..., list[str]], server: str, clip: Path) -> None:
    other = copy(clip, "other.mp4")
    lines = main(
        "supervisor.py", "Compare.", str(clip), other, "--chat", server, "--policy", server
    )
    heard = "yellow Seen at 3.0-3.0 s."
    assert lines == [
        "human Compare.",
        "asks {'video': 'clip.mp4', 'question': 'Which colour at 3 s?'}",
        "asks {'video': 'other.mp4', 'question': 'Which colour at 3 s?'}",
        f"tool {heard}",
        f"tool {heard}",
        f"ai I heard: {heard} | {heard}",
    ]


def test_many_videos(main: Callable[..., list[str]], server: str, clip: Path) -> None:
    broken = Path("broken.mp4")
    broken.write_bytes(clip.read_bytes()[:2_000])
    videos = [str(clip), "broken.mp4", "gone.mp4", str(clip), str(clip)]
    lines = main("many_videos.py", "At 3?", *videos, "--policy", server, "--at-once", "2")
    assert lines[0] == lines[3] == lines[4] == f"{clip}: yellow"
    assert lines[1].startswith("broken.mp4: broken.mp4: not a video file")
    assert lines[2] == "gone.mp4: gone.mp4: no such video file, check the path"
    assert lines[5] == "most often: yellow"


def test_approve_looks(main: Callable[..., list[str]], server: str, clip: Path) -> None:
    mine = '{"tool": "frame_select", "arguments": {"start_time": 0, "end_time": 5, "nframes": 3}}'
    typed = f"not JSON\n\n{mine}\n"
    lines = main("approve_looks.py", str(clip), "At 3?", "--policy", server, typed=typed)
    assert lines[-4:] == [
        "Enter, a call, or q: yellow (answered)",
        "turn 1: as it was written",
        "turn 2: edited by a person",
        "turn 3: as it was written",
    ]
    assert any("not like that: resume with True" in line for line in lines)
    (record,) = RunStore("runs/approved").records()
    assert len(record.turns[1].calls[0].frames) == 3
    assert record.turns[1].sampled_calls is not None


def test_approve_looks_ends_when_told(
    main: Callable[..., list[str]], server: str, clip: Path
) -> None:
    lines = main("approve_looks.py", str(clip), "At 3?", "--policy", server, typed="q\n")
    assert len(lines) == 2


def test_remember(main: Callable[..., list[str]], server: str, clip: Path) -> None:
    first = main("remember.py", str(clip), "At 3?", "Again?", "--policy", server)
    assert first[:2] == [
        "At 3? yellow (told of earlier looks)",
        "Again? remembered (told of earlier looks)",
    ]
    assert first[2:4] == [HEADING, "- Scenes from [00:00] to [00:08]:"]
    assert first[-1] == "- Asked: At 3? Answered: yellow (seen at [00:03])"
    moved = copy(clip, "moved.mp4")
    second = main("remember.py", moved, "At 3?", "--policy", server)
    assert second == ["At 3? remembered (told of earlier looks)", *first[2:]]


@pytest.mark.parametrize("awaiting", [(), ("--awaiting",)])
def test_watch(
    awaiting: tuple[str, ...], main: Callable[..., list[str]], server: str, clip: Path
) -> None:
    lines = main("watch.py", str(clip), "At 3?", "--policy", server, *awaiting)
    assert lines[0] == "1 summary The video has 8 seconds."
    assert any(line.startswith("2 look frame_select [00:03]: 1 frame") for line in lines)
    assert lines[-4:] == [
        "rests on 3 to 3 s",
        "done: video",
        "{'writing': 'a headline'}",
        "done: write",
    ]


@pytest.mark.slow
def test_with_nano(world: tuple[Path, str], tmp_path: Path) -> None:
    path, question = str(world[0]), world[1]
    inspected = run("with_other_state.py", path, question, folder=tmp_path)
    answer = inspected.removeprefix(f"{question} ")[:1]
    many = run("many_videos.py", question, path, "gone.mp4", path, folder=tmp_path)
    assert many.splitlines()[0] == f"{path}: {answer}"
    assert "gone.mp4: no such video file" in many
    approved = run("approve_looks.py", path, question, folder=tmp_path, typed="\n" * 6)
    assert f"{answer} (answered)" in approved
    remembered = run("remember.py", path, question, question, folder=tmp_path)
    assert remembered.splitlines()[:2] == [f"{question} {answer} (told of nothing)"] * 2
    assert f"Answered: {answer}" in remembered
    watched = run("watch.py", path, question, folder=tmp_path)
    assert "1 plan" in watched
    assert watched.splitlines()[-1] == "done: write"
