"""What a tool gives back: frames to show, text to read, files it made."""

from dataclasses import dataclass
from pathlib import Path

from eva_graph_tools.frames import Frame


@dataclass(frozen=True, slots=True, kw_only=True)
class Artifact:
    """A file that a tool made.

    Attributes:
        path: where it lies.
        media_type: for example "video/mp4".
        start_seconds, end_seconds: the part of the video that it really holds.
    """

    path: Path
    media_type: str
    start_seconds: float
    end_seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolOutput:
    """What a tool gives back.

    Attributes:
        frames: in order of time, at their final size.
        text: lines for the policy to read beside the frames; no trailing line break.
        artifacts: files made; the policy is told of them in `text`, it never gets a path.
    """

    frames: tuple[Frame, ...] = ()
    text: str = ""
    artifacts: tuple[Artifact, ...] = ()
