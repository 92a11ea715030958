"""The embedded policy as a newcomer meets it: the demo, and what it says of itself."""

from __future__ import annotations

import json
import logging
import subprocess
import sys
from pathlib import Path

import pytest

from eva_graph import StopReason, VideoAgent
from eva_graph.testing import make_clip
from eva_graph.trajectory import RunStore
from eva_graph_tools import VisualGrid
from eva_graph_training.world.demo import demo_task
from eva_graph_training.world.render import render

QUESTIONS = 12
LEAST_RIGHT = 9
"""Guessing one of twelve letters gets that many right less than once in ten million tries."""


@pytest.fixture(scope="module")
def agent() -> VideoAgent:
    return VideoAgent()


def command(*arguments: str, folder: Path) -> subprocess.CompletedProcess[str]:
    program = [sys.executable, "-W", "error", "-m", "eva_graph.cli", *arguments]
    return subprocess.run(program, cwd=folder, capture_output=True, text=True)


def test_demo_is_right_and_json_is_alone_on_stdout(tmp_path: Path) -> None:
    done = command("demo", "--json", "--record", "run", folder=tmp_path)
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert {"answer", "expected", "correct", "stop_reason", "usage"} <= set(told)
    assert told["correct"] is True
    assert told["answer"] == told["expected"]
    assert told["stop_reason"] == "answered"
    assert told["usage"]["policy_calls"] >= 2
    assert "plan" in done.stderr
    (kept,) = RunStore(tmp_path / "run").records()
    assert (kept.expected, kept.correct) == (told["expected"], True)


def test_demo_tells_what_it_does(tmp_path: Path) -> None:
    done = command("demo", folder=tmp_path)
    assert done.returncode == 0, done.stderr
    for word in ("question", "summary", "plan", "look", "visual tokens", "evidence", "answer"):
        assert word in done.stdout
    assert "right" in done.stdout.splitlines()[-1]


def test_it_answers_by_looking(agent: VideoAgent, tmp_path: Path) -> None:
    right = 0
    for number in range(QUESTIONS):
        world, question = demo_task(1000 + number, ("time", "event")[number % 2])
        video = tmp_path / f"{number}.mp4"
        render(world, video)
        result = agent.run(video, question.text)
        right += result.answer == question.answer
        assert result.notice is None
    assert right >= LEAST_RIGHT


def test_a_plans_estimates_follow_the_cost_rule(agent: VideoAgent, tmp_path: Path) -> None:
    world, question = demo_task(7, "event")
    video = tmp_path / "world.mp4"
    render(world, video)
    first = agent.run(video, question.text).turns[0].plan
    assert len(first.candidates) >= 2
    for look in first.candidates:
        nframes, resize = look.arguments["nframes"], look.arguments["resize"]
        assert look.estimated_visual_tokens == VisualGrid().estimate(224, 224, resize, nframes)


def test_it_says_that_it_knows_only_its_world(
    agent: VideoAgent, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    clip = make_clip(tmp_path / "clip.mp4", seconds=20, size=(224, 224))
    with caplog.at_level(logging.WARNING):
        result = agent.run(clip, "What letter is on the sign at 00:05?")
    assert result.notice
    assert "synthetic" in result.notice
    assert result.notice in caplog.text
    assert result.stop_reason in set(StopReason)
    assert result.trajectory.notice == result.notice
