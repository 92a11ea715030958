"""Frozen dataclasses as JSON and arrays, and back again without trusting what comes.

The fields' annotations are the schema: numbers, strings, None, fractions, paths, tuples, arrays of
a stated dtype and dataclasses of these. A value that does not fit its field is `Nonsense`.
"""

import dataclasses
import math
import os
import types
import typing
from collections.abc import Callable, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from eva_graph_tools.isolation.wire import Nonsense
from eva_graph_tools.reader import Array

T = TypeVar("T")
_MAX_INT = 2**63


def to_plain(value: Any, arrays: list[Array]) -> Any:
    """JSON for a value; its arrays are appended to `arrays`. Raises `TypeError`."""
    match value:
        case None | bool() | int() | float() | str():
            return value
        case Fraction():
            return [value.numerator, value.denominator]
        case Path():
            return path_text(value)
        case np.ndarray():
            arrays.append(value)
            return len(arrays) - 1
        case tuple():
            return [to_plain(item, arrays) for item in value]
        case _ if dataclasses.is_dataclass(value):
            fields = dataclasses.fields(value)
            return {f.name: to_plain(getattr(value, f.name), arrays) for f in fields}
    raise TypeError(f"{type(value).__name__} cannot be sent")


def from_plain(kind: type[T], plain: Any, arrays: Sequence[Array]) -> T:
    """The dataclass that `to_plain` was given. Raises `Nonsense`."""
    return typing.cast("T", _read(kind, plain, arrays))


def path_text(path: Path) -> str:
    """A path as JSON, whatever bytes its name is made of."""
    return os.fsencode(path).decode("latin-1")


def path_of(text: str) -> Path:
    """The path that `path_text` was given. Raises `Nonsense`."""
    try:
        return Path(os.fsdecode(text.encode("latin-1")))
    except UnicodeError as error:
        raise Nonsense("a path that is none") from error


def _read(kind: Any, plain: Any, arrays: Sequence[Array]) -> Any:
    if dataclasses.is_dataclass(kind):
        return _read_fields(typing.cast("type[Any]", kind), plain, arrays)
    origin, parts = typing.get_origin(kind), typing.get_args(kind)
    if origin in (typing.Union, types.UnionType):
        chosen = [part for part in parts if (part is type(None)) == (plain is None)]
        if len(chosen) == 1:
            return None if plain is None else _read(chosen[0], plain, arrays)
    elif origin is np.ndarray:
        return _read_array(typing.get_args(parts[1])[0], plain, arrays)
    elif origin is tuple:
        return _read_tuple(parts, plain, arrays)
    elif origin is typing.Literal and plain in parts:
        return plain
    elif kind in _LEAVES:
        return _LEAVES[kind](plain)
    raise Nonsense(f"{plain!r:.40} in place of {kind}")


def _read_fields(kind: type[Any], plain: Any, arrays: Sequence[Array]) -> Any:
    hints = typing.get_type_hints(kind)
    if not isinstance(plain, dict) or set(plain) != {f.name for f in dataclasses.fields(kind)}:
        raise Nonsense(f"something else in place of {kind.__name__}")
    return kind(**{name: _read(hints[name], value, arrays) for name, value in plain.items()})


def _read_tuple(parts: Sequence[Any], plain: Any, arrays: Sequence[Array]) -> tuple[Any, ...]:
    if isinstance(plain, list):
        if parts[1:] == (Ellipsis,):
            return tuple(_read(parts[0], item, arrays) for item in plain)
        if len(plain) == len(parts):
            return tuple(_read(p, item, arrays) for p, item in zip(parts, plain, strict=True))
    raise Nonsense(f"{plain!r:.40} in place of a tuple")


def _read_array(dtype: Any, plain: Any, arrays: Sequence[Array]) -> Array:
    number = _integer(plain)
    if 0 <= number < len(arrays) and arrays[number].dtype == np.dtype(dtype):
        return arrays[number]
    raise Nonsense(f"no array of {dtype}")


def _integer(plain: Any) -> int:
    if type(plain) is int and -_MAX_INT <= plain < _MAX_INT:
        return plain
    raise Nonsense(f"{plain!r:.40} in place of a whole number")


def _number(plain: Any) -> float:
    if type(plain) is float and math.isfinite(plain):
        return plain
    return float(_integer(plain))


def _text(plain: Any) -> str:
    if isinstance(plain, str):
        return plain
    raise Nonsense(f"{plain!r:.40} in place of text")


def _truth(plain: Any) -> bool:
    if isinstance(plain, bool):
        return plain
    raise Nonsense(f"{plain!r:.40} in place of true or false")


def _fraction(plain: Any) -> Fraction:
    if isinstance(plain, list) and len(plain) == 2 and _integer(plain[1]) != 0:
        return Fraction(_integer(plain[0]), plain[1])
    raise Nonsense(f"{plain!r:.40} in place of a fraction")


_LEAVES: dict[Any, Callable[[Any], Any]] = {
    int: _integer,
    float: _number,
    str: _text,
    bool: _truth,
    Fraction: _fraction,
    Path: lambda plain: path_of(_text(plain)),
}
