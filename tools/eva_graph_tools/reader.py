"""`Reader`: everything that touches a video file, behind plain values.

What needs the file is an *operation*: a function from JSON arguments to JSON values and arrays. It
runs on a `LocalReader` in this process or in a worker process that holds one, and a caller cannot
tell the two apart. `Video` is the face of a reader.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import numpy.typing as npt

from eva_graph_tools.index import FrameIndex
from eva_graph_tools.info import VideoInfo
from eva_graph_tools.picture import Geometry

Array = npt.NDArray[Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Opened:
    """What is known once a file is open; nothing here needs the file again.

    Attributes:
        path: the file.
        video_id: "sha256:<hex>" of its size, first and last MiB.
        info, index, geometry: see their types.
    """

    path: Path
    video_id: str
    info: VideoInfo
    index: FrameIndex
    geometry: Geometry


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """What an operation returns: JSON values, and arrays of plain numbers."""

    values: dict[str, Any] = field(default_factory=dict)
    arrays: tuple[Array, ...] = ()


class Reader(Protocol):
    """One open file. Thread safe."""

    @property
    def opened(self) -> Opened:
        """What is known of the file."""
        ...

    def perform(
        self,
        operation: str,
        arguments: Mapping[str, Any],
        *,
        timeout_seconds: float | None = None,
    ) -> Reply:
        """Run a named operation of `eva_graph_tools.operations`.

        Raises:
            DecodeTimeout: it took longer.
            ToolError: whatever the operation raises.
        """
        ...

    def close(self) -> None:
        """Release the file; closing twice is fine, performing afterwards raises `DecodeError`."""
        ...
