"""`LocalReader`: a video file read in this process, for files one trusts."""

import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

from eva_graph_tools.deadline import Deadline
from eva_graph_tools.decode import Decoder
from eva_graph_tools.errors import DecodeError
from eva_graph_tools.indexing import build_index
from eva_graph_tools.info import describe, read_header
from eva_graph_tools.media import content_id, open_source
from eva_graph_tools.operations import OPERATIONS
from eva_graph_tools.picture import geometry_of
from eva_graph_tools.reader import Opened, Reply


class LocalReader:
    """See `Reader`. One decoder, one caller at a time."""

    def __init__(self, opened: Opened, decoder: Decoder) -> None:
        """Use `LocalReader.open`."""
        self.opened = opened
        self._decoder: Decoder | None = decoder
        self._lock = threading.Lock()

    @classmethod
    def open(cls, file: Path) -> "LocalReader":
        """Open a regular file: reads its packets once and decodes its first frame.

        Raises:
            UnsupportedMedia: not a video of a supported kind.
            DecodeError: a video of which no frame can be decoded.
        """
        source = open_source(file)
        header = read_header(*source)
        video_id = content_id(file)
        index = build_index(file, video_id, *source, Deadline())
        if index is None:
            source[0].close()
            raise DecodeError(f"{file.name}: the video stream holds no frames")
        decoder = Decoder(partial(open_source, file), source, index)
        first = decoder.first(lambda frame: geometry_of(frame, header.sample_aspect_ratio))
        if first is None:
            decoder.close()
            raise DecodeError(f"{file.name}: no frame can be decoded, the file is damaged")
        # Time zero is the first frame that can be shown: a file cut between key frames starts
        # with pictures that refer to what was cut away.
        decoder.index = index = index.starting_at(first[0])
        opened = Opened(
            path=file,
            video_id=video_id,
            info=describe(header, index, first[1]),
            index=index,
            geometry=first[1],
        )
        return cls(opened, decoder)

    @contextmanager
    def decoder(self, deadline: Deadline) -> Iterator[Decoder]:
        """A decoder for the caller's sole use."""
        with self._lock:
            if self._decoder is None:
                raise DecodeError(f"{self.opened.path.name}: the video is closed, open it again")
            self._decoder.deadline = deadline
            deadline.check()
            yield self._decoder

    def perform(
        self,
        operation: str,
        arguments: Mapping[str, Any],
        *,
        timeout_seconds: float | None = None,
    ) -> Reply:
        """See `Reader`."""
        return OPERATIONS[operation](self, arguments, Deadline.after(timeout_seconds))

    def close(self) -> None:
        """See `Reader`."""
        with self._lock:
            if self._decoder is not None:
                self._decoder.close()
                self._decoder = None
