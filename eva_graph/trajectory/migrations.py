"""From the record version that a file holds to the version that this eva-graph reads.

One function a version, each making the next version's JSON out of its own; a record of version k
passes through all from k on. Records are never rewritten on disk: they are migrated as they are
read, and a run may hold several versions side by side.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, TypeAlias

from eva_graph.errors import TrajectoryError

Json: TypeAlias = dict[str, Any]


def _from_1(record: Json) -> Json:
    """Version 2 only adds fields, each with a default that says "was not written down"."""
    return record | {"version": 2}


MIGRATIONS: Mapping[int, Callable[[Json], Json]] = MappingProxyType({1: _from_1})
"""`{from_version: function}`; the function's result has version `from_version + 1`."""


def migrate(record: Json, version: int) -> Json:
    """A record as `version` writes it. The given one is left alone.

    Raises:
        TrajectoryError: it is of no version that can be read, in one line.
    """
    found = record.get("version")
    while type(found) is int and found < version and found in MIGRATIONS:
        record = MIGRATIONS[found](record)
        found = record["version"]
    if type(found) is not int or found != version:
        raise TrajectoryError(
            f"trajectory record version {found!r} cannot be read here "
            f"(this eva-graph reads versions 1 to {version})"
        )
    return record
