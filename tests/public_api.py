"""The public names and how they are called: `python tests/public_api.py` writes the list anew.

`public_api.json` is committed; a difference between it and the code is a change of the interface,
which is made on purpose and told in CHANGELOG.md, or not at all.
"""

from __future__ import annotations

import dataclasses
import enum
import importlib
import inspect
import json
import re
from pathlib import Path
from typing import Any, get_type_hints

from pydantic import BaseModel

LIST = Path(__file__).with_suffix(".json")
MODULES = (
    "eva_graph",
    "eva_graph.errors",
    "eva_graph.evaluation",
    "eva_graph.policy.protocol",
    "eva_graph.testing",
    "eva_graph.trajectory",
    "eva_graph_tools",
    "eva_graph_training.labels",
    "eva_graph_training.recipe",
)
"""Modules whose `__all__` (without one: whose own public classes and functions) is interface."""
SINGLE_NAMES = {
    "eva_graph.policy.openai_compatible": ("OpenAIPolicy",),
    "eva_graph_tools.langchain": ("video_tools",),
    "eva_graph_tools.reel": ("write_reel",),
    "eva_graph_training.rewards.functions": ("reward_functions",),
    "eva_graph_training.run_dataset": ("run_dataset",),
}


def public_names(module: str) -> list[str]:
    """Names that a module promises."""
    loaded = importlib.import_module(module)
    given = getattr(loaded, "__all__", None)
    if given is not None:
        return [name for name in given if not name.startswith("_")]
    return [
        name
        for name, item in vars(loaded).items()
        if not name.startswith("_") and getattr(item, "__module__", None) == module
    ]


def public_api() -> dict[str, dict[str, Any]]:
    """By module and name: what `describe` says."""
    names = {module: public_names(module) for module in MODULES} | SINGLE_NAMES
    return {
        module: {
            name: describe(getattr(importlib.import_module(module), name)) for name in sorted(own)
        }
        for module, own in names.items()
    }


def describe(item: object) -> Any:
    """A signature; a class's bases and members too; of a constant its type alone."""
    if isinstance(item, type):
        return _described_class(item)
    if inspect.isfunction(item):
        return _signature(item)
    return type(item).__name__


def _described_class(item: type) -> dict[str, Any]:
    members: dict[str, Any] = {}
    for name, member in vars(item).items():
        if name.startswith("_") or name == "model_config":
            continue
        if isinstance(member, classmethod | staticmethod):
            members[name] = f"{type(member).__name__} {_signature(member.__func__)}"
        elif inspect.isfunction(member):
            members[name] = _signature(member)
        elif isinstance(member, property):
            members[name] = "property"
    if issubclass(item, enum.Enum):
        return {"values": sorted(str(value.value) for value in item), **members}
    if dataclasses.is_dataclass(item) or issubclass(item, BaseModel):
        members["()"] = _signature(item)
    elif not inspect.isfunction(item.__init__):
        members |= {name: _plain(hint) for name, hint in get_type_hints(item).items()}
    elif "__init__" in vars(item):
        members["()"] = _signature(item.__init__)
    bases = [base.__name__ for base in item.__bases__ if base is not object]
    return {"bases": bases, **dict(sorted(members.items()))}


def _signature(function: Any) -> str:
    return _plain(inspect.signature(function))


def _plain(item: object) -> str:
    """Text without what changes with the machine: addresses, and where types were found."""
    text = getattr(item, "__name__", "") if isinstance(item, type) else ""
    return re.sub(r" at 0x[0-9a-f]+|'|(?:[A-Za-z_]\w*\.)+(?=\w)", "", text or str(item))


if __name__ == "__main__":
    LIST.write_text(json.dumps(public_api(), indent=1, sort_keys=True) + "\n", encoding="utf-8")
