"""What is asked of a cut, as it travels to where it is made, and what came of it."""

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

from eva_graph_tools.index import FrameIndex

_EDGE_SECONDS = 1e-6


@dataclass(frozen=True, slots=True, kw_only=True)
class Cut:
    """A cut that was made.

    Attributes:
        path: the new file; its own time zero is `start_seconds` of the video.
        start_seconds, end_seconds: the part of the video that it really holds. A copy may begin
            before 0, at a key frame that the file itself hides.
        exact: encoded again, from exactly the time asked for; else copied from a key frame on.
    """

    path: Path
    start_seconds: float
    end_seconds: float
    exact: bool

    @property
    def duration_seconds(self) -> float:
        """How long it lasts."""
        return self.end_seconds - self.start_seconds


@dataclass(frozen=True, slots=True, kw_only=True)
class CutRequest:
    """A range to cut out.

    Attributes:
        start_seconds, end_seconds: within the video, the end after the start.
        path: file to write; the caller has seen to it that it may be written.
        format_name: FFmpeg's name of its container.
        exact: encode again, instead of copying from a key frame on.
        max_bytes: a cut that grows larger is an error.
    """

    start_seconds: float
    end_seconds: float
    path: Path
    format_name: str
    exact: bool
    max_bytes: int

    def to_json(self) -> dict[str, Any]:
        """Arguments of the operation `cut`."""
        return {
            "start_seconds": self.start_seconds,
            "end_seconds": self.end_seconds,
            "path": str(self.path),
            "format_name": self.format_name,
            "exact": self.exact,
            "max_bytes": self.max_bytes,
        }

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> "CutRequest":
        """Read what `to_json` wrote."""
        return cls(**{**value, "path": Path(value["path"])})

    def frames(self, index: FrameIndex) -> tuple[int, int]:
        """Display indices of the frames on screen at the start and last before the end."""
        first = index.at(self.start_seconds)
        return first, max(first, index.at(self.end_seconds - _EDGE_SECONDS))


def end_ticks(index: FrameIndex, display_index: int) -> int:
    """When a shown frame leaves the screen, in the stream's ticks."""
    if display_index + 1 < index.frame_count:
        return int(index.shown_pts[display_index + 1])
    return int(index.shown_pts[display_index]) + index.last_duration


def zero_seconds(index: FrameIndex) -> Fraction:
    """The video's time zero on the container's own clock, exactly."""
    return int(index.shown_pts[0]) * index.time_base
