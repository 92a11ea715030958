"""JSON and text that a policy wrote, read strictly: what comes out is storable and encodable."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from eva_graph.dialects.storable import check_storable


def encodable(text: str) -> str:
    """`text` with lone surrogates and null characters, which not every store takes, replaced."""
    return text.encode("utf-8", "replace").decode("utf-8").replace("\0", "?")


def printable(text: str, limit: int = 200) -> str:
    """`text` on one line, short, and encodable as UTF-8: fit for an error message."""
    line = " ".join(encodable(text).split())
    return line if len(line) <= limit else line[: limit - 1] + "…"


def strict_json(text: str) -> Any:
    """The one storable value that `text` holds. Raises ValueError for anything else."""
    values = list(json_values(text))
    if len(values) != 1:
        raise ValueError(f"expected one JSON value, found {len(values)}")
    return values[0]


def json_values(text: str) -> Iterator[Any]:
    """The storable values that follow one another in `text`, between white space and commas.

    Raises:
        ValueError: not JSON, or not storable; the message says which.
    """
    position = _next_value(text, 0)
    while position < len(text):
        value, end = decode_at(text, position)
        yield value
        position = _next_value(text, end)


def decode_at(text: str, position: int) -> tuple[Any, int]:
    """The storable value at a position, and where it ends. Raises ValueError."""
    try:
        value, end = json.JSONDecoder().raw_decode(text, position)
    except RecursionError:
        raise ValueError("nested too deeply") from None
    check_storable(value)
    return value, end


def _next_value(text: str, position: int) -> int:
    while position < len(text) and text[position] in " \t\r\n,":
        position += 1
    return position
