"""Looks that were taken before: the frames a look showed, remembered beside those frames.

A look is known by the video's content, the tool, the applied arguments, the patches and the
versions of the libraries that made the pixels. What it showed is a small JSON file in the frame
store, dropped like a frame when it has not been used for long; it counts only while every frame it
names is there. Looks that make files are taken anew.
"""

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from importlib.metadata import version
from typing import Any

from eva_graph_tools.frames import FrameRef
from eva_graph_tools.output import Artifact, ToolOutput
from eva_graph_tools.sizing import VisualGrid
from eva_graph_tools.store import FrameStore

_FORMAT = 1
_MADE_BY = ("av", "pillow")


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredLook:
    """What a look showed, with its frames in the store.

    Attributes:
        frames: references, in order of time.
        requested_seconds: the time each frame stands for.
        snapped: whether a key frame was taken in place of the frame on screen then.
        text: lines for the policy.
        artifacts: files made.
        cached: nothing was decoded.
    """

    frames: tuple[FrameRef, ...] = ()
    requested_seconds: tuple[float, ...] = ()
    snapped: tuple[bool, ...] = ()
    text: str = ""
    artifacts: tuple[Artifact, ...] = ()
    cached: bool = False


def take_look(
    store: FrameStore, video_id: str, key: str | None, run: Callable[[], ToolOutput]
) -> StoredLook:
    """The look of that key from the store, or `run` it and keep its frames.

    Args:
        store: where frames are.
        video_id: `Video.video_id`.
        key: `look_key` of it; None takes it anew and remembers nothing.
        run: takes the look.

    Raises:
        StoreError: frames cannot be kept.
        ToolError: whatever `run` raises.
    """
    known = None if key is None else _recall(store, key)
    if known is not None:
        return known
    output = run()
    look = StoredLook(
        frames=tuple(store.put(frame, video_id) for frame in output.frames),
        requested_seconds=tuple(frame.requested_seconds for frame in output.frames),
        snapped=tuple(frame.snapped for frame in output.frames),
        text=output.text,
        artifacts=output.artifacts,
    )
    if key is not None and look.frames and not look.artifacts:
        _remember(store, key, look)
    return look


def look_key(video_id: str, tool_name: str, applied: Mapping[str, Any], grid: VisualGrid) -> str:
    """Hex digest of everything that a look's result depends on."""
    facts = {
        "format": _FORMAT,
        "video": video_id,
        "tool": tool_name,
        "applied": dict(applied),
        "grid": [grid.patch_pixels, grid.min_pixels, grid.max_pixels],
        "made_by": _made_by(),
    }
    return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()


def _recall(store: FrameStore, key: str) -> StoredLook | None:
    note = store.recall(key)
    if note is None:
        return None
    try:
        data = json.loads(note)
        refs = tuple(FrameRef.from_json(value) for value in data["frames"])
        look = StoredLook(
            frames=refs,
            requested_seconds=tuple(map(float, data["requested_seconds"])),
            snapped=tuple(map(bool, data["snapped"])),
            text=str(data["text"]),
            cached=True,
        )
    except (ValueError, KeyError, TypeError):
        return None
    return look if all(store.path(ref).is_file() for ref in refs) else None


def _remember(store: FrameStore, key: str, look: StoredLook) -> None:
    data = {
        "frames": [ref.to_json() for ref in look.frames],
        "requested_seconds": look.requested_seconds,
        "snapped": look.snapped,
        "text": look.text,
    }
    store.remember(key, json.dumps(data, allow_nan=False).encode())


@cache
def _made_by() -> dict[str, str]:
    return {name: version(name) for name in _MADE_BY}  # reads files: once a process
