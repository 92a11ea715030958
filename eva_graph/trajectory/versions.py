"""Versions of the packages that decide what a trajectory looks like."""

from __future__ import annotations

from functools import lru_cache
from importlib.metadata import PackageNotFoundError, version

_PACKAGES = (
    "eva-graph",
    "av",
    "pillow",
    "langgraph",
    "langchain-core",
    "openai",
    "torch",
    "transformers",
)


@lru_cache(maxsize=1)
def installed_versions() -> dict[str, str]:
    """Version of each installed package that matters; nothing is imported."""
    found: dict[str, str] = {}
    for name in _PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found
