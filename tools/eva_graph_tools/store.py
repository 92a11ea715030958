"""`FrameStore`: encoded frames on disk, named by the hash of their bytes.

Any number of processes may share a store: a file appears complete or not at all, and is never
changed. Reading verifies the hash. With a byte bound the least recently used frames are dropped; a
frame that is gone can be decoded again while its video exists (`eva_graph_tools.restore`). Small
notes lie beside the frames and go the same way (see `eva_graph_tools.cached_looks`).
"""

import hashlib
import io
import os
import tempfile
import threading
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import platformdirs
from PIL import Image

from eva_graph_tools.errors import FrameMissing, StoreError
from eva_graph_tools.frames import DEFAULT_ENCODING, Frame, FrameRef, encode, reference
from eva_graph_tools.timecode import format_seconds

CACHE_BYTES = 2 * 1024**3
_SUFFIXES = {"image/jpeg": ".jpg", "image/png": ".png"}
_NOTE_SUFFIX = ".json"
_KEPT_FRACTION = 0.9  # dropping goes below the bound, so that it is not needed at every frame
_CHECKS_PER_BOUND = 16
_ABANDONED_SECONDS = 3600.0


class FrameStore:
    """A folder of encoded frames. Safe for threads and processes."""

    def __init__(self, root: Path | str, *, max_bytes: int | None = None) -> None:
        """`root` is created when needed; `max_bytes` bounds the folder, None leaves it unbounded.

        The bound is checked after every sixteenth of it written, so it may be exceeded by that
        much per writing process.
        """
        self.root = Path(root)
        self.max_bytes = max_bytes
        self._unchecked_bytes: int | None = None
        self._lock = threading.Lock()

    @classmethod
    def cache(cls, max_bytes: int = CACHE_BYTES) -> "FrameStore":
        """The user's bounded frame cache, for runs that are not recorded."""
        return cls(platformdirs.user_cache_path("eva-graph") / "frames", max_bytes=max_bytes)

    def path(self, ref: FrameRef) -> Path:
        """Where the reference's bytes lie if they are present."""
        return self.root / ref.sha256[:2] / (ref.sha256 + _SUFFIXES[ref.media_type])

    def put(self, frame: Frame, video_id: str, encoding: str = DEFAULT_ENCODING) -> FrameRef:
        """Encode and keep a frame.

        Args:
            frame: the decoded frame.
            video_id: `Video.video_id` of its video.
            encoding: "jpeg;q=1" to "jpeg;q=100" or "png".

        Raises:
            StoreError: the folder cannot be written.
        """
        data = encode(frame, encoding)
        ref = reference(frame, data, video_id=video_id, encoding=encoding)
        self._write(ref, data)
        return ref

    def read(self, ref: FrameRef) -> bytes:
        """The encoded bytes.

        Raises:
            FrameMissing: they are not here, or not what was stored; `restore` makes them again.
        """
        path = self.path(ref)
        try:
            data = path.read_bytes()
            if hashlib.sha256(data).hexdigest() == ref.sha256:
                with suppress(OSError):  # a store that may only be read has no use for it
                    os.utime(path)
                return data
            path.unlink(missing_ok=True)
        except OSError:
            pass
        raise FrameMissing(
            f"the frame at {format_seconds(ref.pts_seconds)} s ({ref.uri[:29]}…) is not in "
            f"{self.root}: restore it from its video"
        )

    def open_image(self, ref: FrameRef) -> Image.Image:
        """The stored frame as an RGB image. Raises `FrameMissing` as `read` does."""
        image: Image.Image = Image.open(io.BytesIO(self.read(ref)))
        return image.convert("RGB")

    def keep(self, ref: FrameRef, data: bytes) -> None:
        """Store bytes that a reference names.

        Raises:
            ValueError: their hash is another one.
            StoreError: the folder cannot be written.
        """
        if hashlib.sha256(data).hexdigest() != ref.sha256:
            raise ValueError(f"these bytes are not those of {ref.uri}")
        self._write(ref, data)

    def remember(self, key: str, data: bytes) -> None:
        """Keep a small note beside the frames, bounded and dropped like them.

        Args:
            key: 64 hex digits; the last note of a key counts.
            data: its bytes.

        Raises:
            StoreError: the folder cannot be written.
        """
        self._create(self._note(key), data)
        self._account(len(data))

    def recall(self, key: str) -> bytes | None:
        """The note of that key, if there is one."""
        path = self._note(key)
        try:
            data = path.read_bytes()
        except OSError:
            return None
        with suppress(OSError):
            os.utime(path)
        return data

    def _note(self, key: str) -> Path:
        return self.root / key[:2] / f"{key}{_NOTE_SUFFIX}"

    def _write(self, ref: FrameRef, data: bytes) -> None:
        path = self.path(ref)
        try:
            os.utime(path)
        except FileNotFoundError:
            self._create(path, data)
            self._account(len(data))
        except OSError as error:
            if not path.is_file():
                raise _unwritable(self.root, error) from error

    def _create(self, path: Path, data: bytes) -> None:
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            handle, name = tempfile.mkstemp(dir=path.parent, suffix=".tmp")
            with os.fdopen(handle, "wb") as file:
                file.write(data)
            Path(name).replace(path)
        except OSError as error:
            raise _unwritable(self.root, error) from error

    def _account(self, written: int) -> None:
        if self.max_bytes is None:
            return
        with self._lock:
            first = self._unchecked_bytes is None
            self._unchecked_bytes = (self._unchecked_bytes or 0) + written
            if not first and self._unchecked_bytes < self.max_bytes / _CHECKS_PER_BOUND:
                return
            self._unchecked_bytes = 0
            self._drop_oldest(self.max_bytes)

    def _drop_oldest(self, max_bytes: int) -> None:
        entries = sorted(_entries(self.root), key=lambda entry: entry.used)
        total = sum(entry.size for entry in entries)
        if total <= max_bytes:
            return
        for entry in entries:
            if total <= max_bytes * _KEPT_FRACTION:
                return
            entry.path.unlink(missing_ok=True)
            total -= entry.size


def _unwritable(root: Path, error: OSError) -> StoreError:
    reason = error.strerror or type(error).__name__
    return StoreError(f"frames cannot be kept in {root} ({reason}): free it or choose another one")


@dataclass(frozen=True, slots=True)
class _Entry:
    path: Path
    size: int
    used: float


def _entries(root: Path) -> list[_Entry]:
    """Stored files, and those that a writer left behind unfinished."""
    entries: list[_Entry] = []
    finished = {*_SUFFIXES.values(), _NOTE_SUFFIX}
    abandoned_before = time.time() - _ABANDONED_SECONDS
    for path in root.glob("??/*"):
        try:
            status = path.stat()
        except FileNotFoundError:
            continue  # another process dropped it
        if path.suffix in finished or status.st_mtime < abandoned_before:
            entries.append(_Entry(path, status.st_size, status.st_mtime))
    return entries
