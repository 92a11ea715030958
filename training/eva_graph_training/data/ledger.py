"""A file of JSON lines that is only ever appended to, for what must not be asked twice.

`append` returns once the line is on disk. A line that a kill cut in half is dropped when the file
is opened again; lines before it stand. One process writes at a time (`workplace` sees to that).
"""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from eva_graph_training.errors import DataError


class Ledger:
    """Safe for threads. Opening it creates nothing."""

    def __init__(self, path: Path) -> None:
        """Drop a torn last line, if there is one.

        Raises:
            DataError: the file cannot be read or mended.
        """
        self.path = path
        self._lock = threading.Lock()
        try:
            if path.exists():
                _drop_torn_line(path)
        except OSError as error:
            raise DataError(f"cannot read {path}: {error.strerror}") from None

    def rows(self) -> Iterator[dict[str, Any]]:
        """The lines so far, in order.

        Raises:
            DataError: a line was not written by this class.
        """
        if not self.path.exists():
            return
        lines = self.path.read_bytes().split(b"\n")[:-1]
        for number, line in enumerate(lines, start=1):
            try:
                row = json.loads(line)
            except ValueError:
                row = None
            if not isinstance(row, dict):
                raise DataError(f"{self.path}: line {number} is damaged: remove that line")
            yield row

    def append(self, row: Mapping[str, Any]) -> None:
        """Add a line. Raises `DataError` where it cannot be written."""
        line = json.dumps(row, ensure_ascii=True, allow_nan=False) + "\n"
        with self._lock:
            try:
                self.path.parent.mkdir(parents=True, exist_ok=True)
                with self.path.open("ab") as file:
                    file.write(line.encode("ascii"))
                    file.flush()
                    os.fsync(file.fileno())
            except OSError as error:
                raise DataError(f"cannot write {self.path}: {error.strerror}") from None


def _drop_torn_line(path: Path) -> None:
    data = path.read_bytes()
    whole = data.rfind(b"\n") + 1
    if whole < len(data):
        os.truncate(path, whole)
