"""Shards: JSON-lines files of records that one writer each appends to.

A writer is one process with one open store; it never touches another's file, so appends need no
lock between processes and a torn line can only be the last of a file. It begins a new file when the
old one is full, after a write that failed, and in a forked child.

What is on disk when `append` returns: the whole line, flushed (`fsync`), and the file's name in its
folder. A record costs minutes of a policy's time and a flush a millisecond at most, so every record
gets its own; `append_all` flushes once a file. Frames are not flushed: one that a power cut takes
is decoded again from its video (`eva_graph_tools.restore`).
"""

from __future__ import annotations

import os
import secrets
import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path

from eva_graph.errors import TrajectoryError

SHARD_BYTES = 256 * 1024**2
"""A file that has grown to this size is not written to again."""


class ShardWriter:
    """Appends lines to shards of its own below a folder. Safe for threads and across forks."""

    def __init__(self, folder: Path, *, shard_bytes: int = SHARD_BYTES) -> None:
        self._folder = folder
        self._shard_bytes = shard_bytes
        self._lock = threading.Lock()
        self._path: Path | None = None
        self._process = 0

    def append(self, line: str) -> None:
        """Add one line (without its line end); it is on disk when this returns.

        Raises:
            TrajectoryError: it is not.
        """
        self.append_all([line])

    def append_all(self, lines: Iterable[str]) -> None:
        """Add lines, flushed together. Raises `TrajectoryError`; then the last may be missing."""
        waiting = iter(lines)
        with self._lock:
            line = next(waiting, None)
            while line is not None:
                try:
                    line = self._fill(self._current(), line, waiting)
                except OSError as error:
                    where, self._path = self._path or self._folder, None
                    raise TrajectoryError(f"cannot write {where}: {error}") from None

    def _fill(self, path: Path, line: str | None, waiting: Iterator[str]) -> str | None:
        """Write until nothing waits or the file is full; the line that found no room."""
        is_new = not path.exists()
        descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
        try:
            size = os.fstat(descriptor).st_size
            while line is not None and size < self._shard_bytes:
                size = _write(descriptor, line, size)
                line = next(waiting, None)
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        if is_new:
            _flush_folder(self._folder)
        if size >= self._shard_bytes:
            self._path = None
        return line

    def _current(self) -> Path:
        if self._path is None or self._process != os.getpid():
            self._folder.mkdir(parents=True, exist_ok=True)
            self._process = os.getpid()
            # Names sort by age, so that of two equal records the one written later is read.
            name = f"{time.time_ns():019d}-{self._process}-{secrets.token_hex(4)}.jsonl"
            self._path = self._folder / name
        return self._path


def shard_files(run: Path) -> list[Path]:
    """Files that hold records, oldest first; `records.jsonl` is what version 1 wrote."""
    legacy = run / "records.jsonl"
    shards = sorted((run / "records").glob("*.jsonl"))
    return [legacy, *shards] if legacy.is_file() else shards


def _write(descriptor: int, line: str, size: int) -> int:
    data = line.encode("ascii") + b"\n"
    if os.write(descriptor, data) < len(data):
        with suppress(OSError):
            os.ftruncate(descriptor, size)
        raise OSError("the disk took only a part of a line")
    return size + len(data)


def _flush_folder(folder: Path) -> None:
    if os.name == "posix":  # elsewhere folders cannot be opened
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
