"""Messages between a process and its worker: a length-prefixed JSON header and raw arrays.

    uint32 length of the header, uint64 length of all arrays (big endian)
    the header: {"arrays": [[dtype, [side, …]], …], …}
    the arrays' elements, in row order, one array after the other

Nothing is ever unpickled. A reader states how much it is willing to take, and takes only arrays of
plain numbers whose declared sizes add up to the length that the prefix announced.
"""

import json
import math
import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NoReturn

import numpy as np

from eva_graph_tools.errors import DecodeError
from eva_graph_tools.reader import Array

PREFIX = struct.Struct(">IQ")
MAX_HEADER_BYTES = 32 * 1024 * 1024
_MAX_ARRAYS = 100_000
_MAX_DIMENSIONS = 8
_DTYPES = {
    name: np.dtype(name)
    for name in (
        *("bool", "uint8", "uint16", "uint32", "uint64"),
        *("int8", "int16", "int32", "int64", "float32", "float64"),
    )
}


class Nonsense(Exception):
    """What arrived is no message of this protocol, or not the answer to what was asked."""


@dataclass(frozen=True, slots=True)
class Message:
    """A header, an object as JSON has it, and arrays."""

    header: dict[str, Any]
    arrays: tuple[Array, ...] = ()


def packed(message: Message) -> Iterator[memoryview]:
    """The bytes of a message, in parts.

    Raises:
        DecodeError: there is too much text in it.
        TypeError, ValueError: it holds what the protocol cannot carry.
    """
    arrays = [np.asarray(array, order="C") for array in message.arrays]
    for array in arrays:
        if array.dtype.name not in _DTYPES:
            raise TypeError(f"arrays of {array.dtype} cannot be sent")
    shapes = [[array.dtype.name, list(array.shape)] for array in arrays]
    header = json.dumps({**message.header, "arrays": shapes}, allow_nan=False).encode("ascii")
    if len(header) > MAX_HEADER_BYTES:
        raise DecodeError("the file holds more text than can be read: ask for less of it")
    yield memoryview(PREFIX.pack(len(header), sum(array.nbytes for array in arrays)) + header)
    for array in arrays:
        if array.nbytes:
            yield array.data.cast("B")


def lengths(prefix: bytes, *, max_array_bytes: int) -> tuple[int, int]:
    """Bytes of the header and of all arrays. Raises `Nonsense`: more than is wanted."""
    header_bytes, array_bytes = PREFIX.unpack(prefix)
    if header_bytes > MAX_HEADER_BYTES or array_bytes > max_array_bytes:
        raise Nonsense(f"a message of {header_bytes} and {array_bytes} bytes")
    return header_bytes, array_bytes


def read_header(data: bytes, array_bytes: int) -> tuple[dict[str, Any], list[Array]]:
    """The header without its "arrays", and these, yet to be filled. Raises `Nonsense`."""
    try:
        header = json.loads(data, parse_constant=_no_constant)
    except (ValueError, RecursionError) as error:
        raise Nonsense("a header that is not JSON") from error
    if not isinstance(header, dict):
        raise Nonsense("a header that is not an object")
    declared = header.pop("arrays", None)
    if not isinstance(declared, list) or len(declared) > _MAX_ARRAYS:
        raise Nonsense("a header that does not declare its arrays")
    kinds = [_declaration(one) for one in declared]
    if sum(math.prod(shape) * dtype.itemsize for dtype, shape in kinds) != array_bytes:
        raise Nonsense("arrays that are not as long as announced")
    try:
        return header, [np.empty(shape, dtype) for dtype, shape in kinds]
    except ValueError as error:  # no elements, yet sides that numpy cannot multiply
        raise Nonsense("an array of an impossible shape") from error


def views(arrays: Sequence[Array]) -> list[memoryview]:
    """The arrays' own bytes, to be filled; empty arrays are left out."""
    return [array.data.cast("B") for array in arrays if array.nbytes]


def sanitized(arrays: Sequence[Array]) -> tuple[Array, ...]:
    """Booleans hold only 0 and 1 once more, whatever bytes came in."""
    return tuple(
        array.view(np.uint8) != 0 if array.dtype == np.bool_ else array for array in arrays
    )


def _declaration(one: Any) -> tuple[np.dtype[Any], tuple[int, ...]]:
    match one:
        case [str(name), list(sides)] if name in _DTYPES and len(sides) <= _MAX_DIMENSIONS:
            if all(type(side) is int and 0 <= side < 2**48 for side in sides):
                return _DTYPES[name], tuple(sides)
    raise Nonsense("an array of no known kind")


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")
