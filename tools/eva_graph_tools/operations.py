"""The operations by name: what can be asked of a video file, here or in a worker process."""

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from typing import Any, Protocol

import av

from eva_graph_tools.cutting.operation import cut
from eva_graph_tools.deadline import Deadline
from eva_graph_tools.decode import Decoder
from eva_graph_tools.media import Source
from eva_graph_tools.picture import Painter, Pixels
from eva_graph_tools.reader import Opened, Reply
from eva_graph_tools.scenes.pictures import scene_pictures
from eva_graph_tools.side_by_side import decode_side_by_side, shares
from eva_graph_tools.subtitles.embedded import subtitles


class Media(Protocol):
    """The file as an operation sees it."""

    @property
    def opened(self) -> Opened:
        """What is known of the file."""
        ...

    def reopen(self, deadline: Deadline) -> Source:
        """The file once more, for a reader of its own.

        Raises:
            DecodeError: the video is closed, or another file has taken its place.
            DecodeTimeout: the deadline passed.
        """
        ...

    def decoder(self, deadline: Deadline) -> AbstractContextManager[Decoder]:
        """A decoder for the caller's sole use."""
        ...

    def decoders(self, most: int, deadline: Deadline) -> AbstractContextManager[list[Decoder]]:
        """Several decoders, as many as are free: at least one, at most `most`."""
        ...


class Operation(Protocol):
    """Arguments are JSON and come from this package; what they lead to in the file is untrusted."""

    def __call__(self, media: Media, arguments: Mapping[str, Any], deadline: Deadline, /) -> Reply:
        """Raises `ToolError`."""
        ...


def frames(media: Media, arguments: Mapping[str, Any], deadline: Deadline) -> Reply:
    """Decode and paint frames by display index.

    Arguments: `wanted` display indices, `size` [width, height], `box` or None. Values:
    `delivered` is [wanted, index of the frame that stands for it] for each array.
    """
    opened, box = media.opened, arguments["box"]
    size = (int(arguments["size"][0]), int(arguments["size"][1]))

    def converter() -> Callable[[av.VideoFrame], Pixels]:
        return Painter(opened.geometry, size, tuple(box) if box else None).paint

    picture_pixels = opened.info.coded_width * opened.info.coded_height
    parts = shares(opened.index, arguments["wanted"], picture_pixels)
    with media.decoders(len(parts), deadline) as decoders:
        found = decode_side_by_side(decoders, parts, converter)
    return Reply(
        values={"delivered": [[wanted, index] for wanted, (index, _) in found.items()]},
        arrays=tuple(pixels for _, pixels in found.values()),
    )


OPERATIONS: dict[str, Operation] = {
    "frames": frames,
    "cut": cut,
    "subtitles": subtitles,
    "scene_pictures": scene_pictures,
}
