"""A registry tool's prepared call in the shape the executor runs (`base.PreparedCall`)."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from eva_graph_tools import PreparedLook, ToolOutput, Video, execute, look_key


@dataclass(frozen=True, slots=True)
class ToolCallPlan:
    """Runs a `PreparedLook`; frames are labelled with their own true times."""

    look: PreparedLook

    @property
    def applied(self) -> dict[str, Any]:
        """Arguments after clamping and budget."""
        return self.look.applied

    @property
    def estimated_visual_tokens(self) -> int:
        """Cost by the tools' one rule."""
        return self.look.estimated_visual_tokens

    @property
    def notes(self) -> tuple[str, ...]:
        """What was changed."""
        return tuple(self.look.notes)

    @property
    def text_tokens(self) -> int:
        """What the tool says of itself."""
        return self.look.tool.text_tokens

    def key(self, video_id: str) -> str | None:
        """See `look_key`."""
        return look_key(video_id, self.look.tool.name, self.applied, self.look.grid)

    def run(
        self, video: Video, *, timeout_seconds: float | None, artifacts: Path | None
    ) -> ToolOutput:
        """Look. Raises `ToolError`."""
        return execute(video, self.look, timeout_seconds=timeout_seconds, artifacts=artifacts)

    def clock(self, nframes: int) -> tuple[int, ...] | None:
        """None: labels are true times."""
        return None
