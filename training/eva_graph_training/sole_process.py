"""One process works in a folder at a time, and keeps a second one out for as long as it lives.

The lock is the operating system's (`flock`): nothing of it outlives a process that is killed.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from eva_graph_training.errors import DataError

_LOCK: Final = ".lock"


@contextmanager
def sole_process(folder: Path) -> Iterator[None]:
    """Hold a folder while the block runs.

    Args:
        folder: made where it is missing.

    Raises:
        DataError: another process works there, or it cannot be written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(folder / _LOCK, os.O_RDWR | os.O_CREAT, 0o644)
    except OSError as error:
        raise DataError(f"cannot write {folder}: {error.strerror}") from None
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise DataError(f"another process works in {folder}: wait for it, or stop it") from None
        yield
    finally:
        os.close(descriptor)
