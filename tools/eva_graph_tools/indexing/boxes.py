"""Boxes of an MP4 or QuickTime file (ISO/IEC 14496-12 §4.2), read within bounds.

Everything here is hostile until shown otherwise: a box never reaches beyond the one that holds it,
a table never has more entries than its box has bytes for. What does not hold is `NotPlain`.
"""

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

_HEADER = struct.Struct(">I4s")
_LONG_SIZE = struct.Struct(">Q")
_MAX_MOVIE_BYTES = 256 * 1024 * 1024
_MAX_BOXES = 4096


class NotPlain(Exception):
    """The file is not laid out in the one plain way that is read here."""


@dataclass(frozen=True, slots=True)
class Box:
    """One box in memory: its type and its content."""

    kind: bytes
    data: memoryview

    def children(self) -> Iterator["Box"]:
        """The boxes in it, in order."""
        offset, count = 0, 0
        while offset + _HEADER.size <= len(self.data):
            size, kind = _HEADER.unpack_from(self.data, offset)
            content = offset + _HEADER.size
            if size == 1 and content + _LONG_SIZE.size <= len(self.data):
                (size,) = _LONG_SIZE.unpack_from(self.data, content)
                content += _LONG_SIZE.size
            end = offset + size if size else len(self.data)
            count += 1
            if not content <= end <= len(self.data) or count > _MAX_BOXES:
                raise NotPlain
            yield Box(kind, self.data[content:end])
            offset = end

    def only(self, *path: bytes) -> "Box":
        """The box at a path of types, of which each level has exactly one."""
        box = self
        for kind in path:
            found = [child for child in box.children() if child.kind == kind]
            if len(found) != 1:
                raise NotPlain
            box = found[0]
        return box

    def maybe(self, kind: bytes) -> "Box | None":
        """The one child of a type, or None. Several are `NotPlain`."""
        found = [child for child in self.children() if child.kind == kind]
        if len(found) > 1:
            raise NotPlain
        return found[0] if found else None

    def number(self, offset: int, size: int = 4) -> int:
        """An unsigned big-endian number."""
        if offset + size > len(self.data):
            raise NotPlain
        return int.from_bytes(self.data[offset : offset + size], "big")

    def table(self, offset: int, count: int, dtype: str) -> npt.NDArray[np.void]:
        """`count` records from an offset on."""
        record = np.dtype(dtype)
        if offset + count * record.itemsize > len(self.data):
            raise NotPlain
        return np.frombuffer(self.data, record, count, offset)

    def rows(self, dtype: str) -> npt.NDArray[np.void]:
        """The records of a full box that starts with version, flags and their number."""
        return self.table(8, self.number(4), dtype)


def movie_box(path: Path) -> Box:
    """The `moov` box of a file.

    Raises:
        NotPlain: none, several, too large a one, or a file of fragments.
        OSError: the file cannot be read.
    """
    size = path.stat().st_size
    found: Box | None = None
    with path.open("rb") as file:
        offset = 0
        for _ in range(_MAX_BOXES):
            file.seek(offset)
            head = file.read(_HEADER.size + _LONG_SIZE.size)
            if len(head) < _HEADER.size:
                break
            length, kind = _HEADER.unpack_from(head)
            content = _HEADER.size
            if length == 1 and len(head) == _HEADER.size + _LONG_SIZE.size:
                (length,) = _LONG_SIZE.unpack_from(head, content)
                content += _LONG_SIZE.size
            length = length or size - offset
            if length < content or kind == b"moof":
                raise NotPlain
            if kind == b"moov":
                if found is not None or length > min(_MAX_MOVIE_BYTES, size - offset):
                    raise NotPlain
                file.seek(offset + content)
                found = Box(kind, memoryview(file.read(length - content)))
            offset += length
    if found is None or found.maybe(b"mvex") is not None:
        raise NotPlain
    return found
