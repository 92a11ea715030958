"""Running one prepared call: its frames go to the store, its text is held to what the context has.

A call never raises for what a policy wrote or a file holds: a tool's error becomes text for the
policy and an entry in the result. A bug crashes.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from eva_graph.dialects.base import CallResult, PreparedCall
from eva_graph.dialects.turn import ToolCall
from eva_graph.limits import CHARACTERS_PER_TOKEN
from eva_graph_tools import FrameStore, ToolError, ToolOutput, Video, VisualGrid, take_look


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadyCall:
    """A call after the budget: what will run, or why it cannot.

    Attributes:
        call: what the policy wrote.
        prepared: what will run, or the error that is told back.
        text_tokens: how much text the look may give; None is unbounded.
    """

    call: ToolCall
    prepared: PreparedCall | ToolError
    text_tokens: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class CallRunner:
    """Runs calls on one open video. Safe for threads.

    Attributes:
        video: what is looked at.
        store: where frames go, and where looks taken before are found.
        grid: the policy's patches.
        timeout_seconds: how long a call may take; None is unbounded.
        artifacts: folder for files that a tool makes; None is the system's temporary folder.
    """

    video: Video
    store: FrameStore
    grid: VisualGrid
    timeout_seconds: float | None = None
    artifacts: Path | None = None

    def run(self, ready: ReadyCall) -> CallResult:
        """The call's result, or its error."""
        prepared = ready.prepared
        if isinstance(prepared, ToolError):
            return CallResult(call=ready.call, error=str(prepared))
        started = time.perf_counter()
        key = prepared.key(self.video.video_id)
        try:
            look = take_look(self.store, self.video.video_id, key, self._look(prepared))
        except ToolError as error:
            return CallResult(
                call=ready.call,
                applied=prepared.applied,
                error=str(error),
                estimated_visual_tokens=prepared.estimated_visual_tokens,
                seconds=time.perf_counter() - started,
            )
        return CallResult(
            call=ready.call,
            applied=prepared.applied,
            notes=prepared.notes,
            frames=look.frames,
            text=held_to(look.text, ready.text_tokens),
            artifacts=look.artifacts,
            cached=look.cached,
            estimated_visual_tokens=prepared.estimated_visual_tokens,
            visual_tokens=sum(self.grid.visual_tokens(f.width, f.height) for f in look.frames),
            requested_seconds=look.requested_seconds,
            snapped=look.snapped,
            clock=prepared.clock(len(look.frames)),
            seconds=time.perf_counter() - started,
        )

    def _look(self, prepared: PreparedCall) -> Callable[[], ToolOutput]:
        return lambda: prepared.run(
            self.video, timeout_seconds=self.timeout_seconds, artifacts=self.artifacts
        )


def held_to(text: str, max_tokens: int | None) -> str:
    """The whole lines that fit, and a line that says how many do not."""
    if max_tokens is None or len(text) <= max_tokens * CHARACTERS_PER_TOKEN:
        return text
    lines, kept, used = text.split("\n"), 0, 0
    for line in lines:
        used += len(line) + 1
        if used > max_tokens * CHARACTERS_PER_TOKEN:
            break
        kept += 1
    left_out = f"({len(lines) - kept} more lines left out: the context has no room for them)"
    return "\n".join([*lines[:kept], left_out])
