"""Options that take one of a few words."""

from __future__ import annotations

from typing import TypeVar

from eva_graph.errors import InvalidRequest

Choice = TypeVar("Choice", bound=str)


def one_of(name: str, value: str, *allowed: Choice) -> Choice:
    """The word given. Raises `InvalidRequest` for any but the allowed ones."""
    for choice in allowed:
        if value == choice:
            return choice
    raise InvalidRequest(f"{name} must be {' or '.join(allowed)}, not {value!r}")
