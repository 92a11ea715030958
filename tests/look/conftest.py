"""An executor on a real clip: eight seconds, five frames a second, a new colour every second."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from eva_graph.dialects import Dialect, EvaDialect, Question
from eva_graph.limits import Limits
from eva_graph.look import LookExecutor
from eva_graph_tools import TOOLS, FrameStore, Tool, Video


@pytest.fixture(scope="module")
def video(clip: Path) -> Iterator[Video]:
    with Video.open(clip) as opened:
        yield opened


@pytest.fixture
def executor(video: Video, frames: FrameStore) -> Callable[..., LookExecutor]:
    """Makes an executor; keyword arguments are its limits."""

    def make(
        *, dialect: Dialect | None = None, tools: Mapping[str, Tool] = TOOLS, **limits: Any
    ) -> LookExecutor:
        return LookExecutor(
            video=video,
            dialect=dialect or EvaDialect(),
            question=Question(text="Which colour?"),
            store=frames,
            tools=tools,
            limits=Limits(**limits),
        )

    return make
