"""`LocalReader`: a video file read in this process, for files one trusts."""

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, ExitStack
from functools import partial
from pathlib import Path
from typing import Any

from eva_graph_tools.deadline import NEVER, Deadline, within
from eva_graph_tools.decode import Decoder
from eva_graph_tools.decoder_pool import MOST_PER_VIDEO, DecoderPool
from eva_graph_tools.errors import DecodeError
from eva_graph_tools.indexing import build_index
from eva_graph_tools.info import describe, read_header
from eva_graph_tools.media import Source, content_id, open_source
from eva_graph_tools.operations import OPERATIONS
from eva_graph_tools.picture import geometry_of
from eva_graph_tools.reader import Opened, Reply


class LocalReader:
    """See `Reader`. Calls run side by side, each on a decoder of its own.

    A call with a timeout runs on a thread of its own: its caller is told on time that it is late,
    even where the decoder is stuck, and that decoder is not used again.
    """

    def __init__(
        self, opened: Opened, pool: DecoderPool, reopen: Callable[[Deadline], Source]
    ) -> None:
        """Use `LocalReader.open`."""
        self.opened = opened
        self._pool = pool
        self._reopen = reopen

    @classmethod
    def open(
        cls,
        file: Path,
        *,
        timeout_seconds: float | None = None,
        max_decoders: int = MOST_PER_VIDEO,
    ) -> "LocalReader":
        """Open a regular file: indexes its packets and decodes its first frame.

        Args:
            file: the file.
            timeout_seconds: how long that may take; None is unbounded.
            max_decoders: how many calls may decode side by side.

        Raises:
            UnsupportedMedia: not a video of a supported kind.
            DecodeTimeout: it took longer.
            DecodeError: a video of which no frame can be decoded.
        """
        deadline = Deadline.after(timeout_seconds)
        return within(deadline, lambda: cls._open(file, deadline, max_decoders), late=cls.close)

    @classmethod
    def _open(cls, file: Path, deadline: Deadline, max_decoders: int) -> "LocalReader":
        reopen = partial(_opened_again, file, _state(file))
        with ExitStack() as failed:
            source = open_source(file, deadline)
            failed.callback(source[0].close)
            header = read_header(*source)
            video_id = content_id(file)
            index = build_index(file, video_id, *source, deadline)
            if index is None:
                raise DecodeError(f"{file.name}: the video stream holds no frames")
            decoder = Decoder(reopen, source, index)
            failed.callback(decoder.close)
            decoder.deadline = deadline
            first = decoder.first(lambda frame: geometry_of(frame, header.sample_aspect_ratio))
            if first is None:
                raise DecodeError(f"{file.name}: no frame can be decoded, the file is damaged")
            failed.pop_all()
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
        pool = DecoderPool(file.name, lambda: Decoder(reopen, reopen(), index), most=max_decoders)
        pool.add(decoder)
        return cls(opened, pool, reopen)

    def reopen(self, deadline: Deadline) -> Source:
        """See `operations.Media`."""
        self._pool.require_open()
        return self._reopen(deadline)

    def decoder(self, deadline: Deadline) -> AbstractContextManager[Decoder]:
        """A decoder for the caller's sole use. Raises as `DecoderPool.lease`."""
        return self._pool.lease(deadline)

    def decoders(self, most: int, deadline: Deadline) -> AbstractContextManager[list[Decoder]]:
        """Several decoders, as many as are free: at least one. Raises as `DecoderPool.leases`."""
        return self._pool.leases(most, deadline)

    def perform(
        self,
        operation: str,
        arguments: Mapping[str, Any],
        *,
        timeout_seconds: float | None = None,
    ) -> Reply:
        """See `Reader`."""
        deadline = Deadline.after(timeout_seconds)
        return within(deadline, lambda: OPERATIONS[operation](self, arguments, deadline))

    def close(self) -> None:
        """See `Reader`. Decoders in use are closed when their calls return."""
        self._pool.close()


def _state(file: Path) -> tuple[int, int, int]:
    status = file.stat()
    return status.st_ino, status.st_size, status.st_mtime_ns


def _opened_again(file: Path, state: tuple[int, int, int], deadline: Deadline = NEVER) -> Source:
    """Raises `DecodeError` where another file has taken its place: its index would not hold."""
    _require_same(file, state)
    source = open_source(file, deadline)
    try:
        _require_same(file, state)  # it may have been exchanged in between
    except DecodeError:
        source[0].close()
        raise
    return source


def _require_same(file: Path, state: tuple[int, int, int]) -> None:
    try:
        same = _state(file) == state
    except OSError:
        same = False
    if not same:
        raise DecodeError(f"{file.name}: the file changed while it was open, open it again")
