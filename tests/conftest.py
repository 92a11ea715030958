"""What all tests share. Checkpoints are strict: a type that is not declared fails."""

from __future__ import annotations

import os
import signal

os.environ["LANGGRAPH_STRICT_MSGPACK"] = "true"  # read when langgraph is imported
os.environ["EVA_GRAPH_INDEX_CACHE"] = ""  # tests that want one name a folder of their own
os.environ["EVA_GRAPH_SCENE_CACHE"] = ""

from collections.abc import Iterator
from pathlib import Path

import pytest

from eva_graph.testing import make_clip
from eva_graph_tools import FrameStore


@pytest.fixture(scope="session")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Eight seconds, five frames a second, a key frame and a new colour every second."""
    return make_clip(tmp_path_factory.mktemp("clip") / "clip.mp4", seconds=8, size=(112, 84), fps=5)


@pytest.fixture
def frames(tmp_path: Path) -> FrameStore:
    """A frame cache of the test's own, in place of the user's."""
    return FrameStore(tmp_path / "cache")


@pytest.fixture(scope="session", autouse=True)
def interruptible() -> None:
    """A shell ignores SIGINT for what it starts in the background, and every child inherits it."""
    if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(autouse=True)
def ordinary_scheduling() -> Iterator[None]:
    """SVT-AV1 gives a process of root real-time priority, which would starve all others."""
    yield
    if os.sched_getscheduler(0) != os.SCHED_OTHER:
        os.sched_setscheduler(0, os.SCHED_OTHER, os.sched_param(0))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Prints what passed tests recorded as `told at the end`."""
    for report in terminalreporter.getreports("passed"):
        for name, value in report.user_properties:
            if name == "told at the end":
                terminalreporter.write_line(str(value))
