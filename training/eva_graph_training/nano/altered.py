"""Policies that are shown other frames than those on record: does the answer follow the frames?"""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

from PIL import Image

from eva_graph.policy.protocol import Completion, Policy, PolicyInfo, PolicyRequest
from eva_graph_tools import FrameRef, Video

Alteration = Callable[[FrameRef], bytes]
"""Encoded bytes that are shown in place of a frame, of the same size."""


class AlteredFrames:
    """A policy that sees what `alteration` makes of every frame; all else is unchanged."""

    def __init__(self, policy: Policy, alteration: Alteration) -> None:
        self._policy, self._alteration = policy, alteration

    @property
    def info(self) -> PolicyInfo:
        """The inner policy's."""
        return self._policy.info

    def generate(self, request: PolicyRequest) -> Completion:
        """The inner policy's turn on altered frames."""
        return self._policy.generate(replace(request, load_frame=self._alteration))

    async def agenerate(self, request: PolicyRequest) -> Completion:
        """Like `generate`."""
        return await self._policy.agenerate(replace(request, load_frame=self._alteration))


def blanked(frame: FrameRef) -> bytes:
    """An evenly grey frame."""
    return _jpeg(Image.new("RGB", (frame.width, frame.height), (128, 128, 128)))


class OtherVideos:
    """The frame of another video at the same time, counted round where that video is shorter."""

    def __init__(self, others: Mapping[str, Path]) -> None:
        """`others` names the file to show in place of each video, by `video_id`."""
        self._others = others

    def __call__(self, frame: FrameRef) -> bytes:
        """Encoded bytes of the other video's frame at the frame's size."""
        with Video.open(self._others[frame.video_id]) as video:
            time = frame.pts_seconds % video.info.duration_seconds
            shown = video.frames_at([time], size=(frame.width, frame.height))[0]
        return _jpeg(shown.to_pil())


def _jpeg(image: Image.Image) -> bytes:
    stored = io.BytesIO()
    image.save(stored, "JPEG", quality=90)
    return stored.getvalue()
