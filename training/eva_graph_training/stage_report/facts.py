"""What else a report tells of a stage: settings and counts, machine and versions."""

from __future__ import annotations

import os
import platform
import resource
import sys
from collections.abc import Iterator, Mapping
from importlib.metadata import version
from typing import Any, Final

import torch

_PACKAGES: Final = ("trl", "peft", "accelerate", "datasets")
_KIBIBYTES: Final = 1 if sys.platform == "darwin" else 1024
"""What `ru_maxrss` counts in, in bytes."""


def machine() -> dict[str, Any]:
    """What this process ran on, and the most memory that it held; call it when training ends."""
    found: dict[str, Any] = {
        "processor": platform.processor() or platform.machine(),
        "processors": os.cpu_count(),
        "threads": torch.get_num_threads(),
        "peak_memory_bytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * _KIBIBYTES,
    }
    if torch.cuda.is_available():
        found["gpu"] = torch.cuda.get_device_name()
        found["peak_gpu_memory_bytes"] = torch.cuda.max_memory_allocated()
    return found


def versions(installed: Mapping[str, str]) -> dict[str, str]:
    """The versions that records name, and those of the training libraries."""
    return {**installed, **{name: version(name) for name in _PACKAGES}}


def flat(settings: Mapping[str, Any], before: str = "") -> Iterator[tuple[str, str]]:
    """Nested settings as dotted names and texts."""
    for name, value in settings.items():
        if isinstance(value, dict) and value:
            yield from flat(value, f"{before}{name}.")
        else:
            yield f"{before}{name}", _text(value)


def _text(value: object) -> str:
    if isinstance(value, list | tuple):
        return ", ".join(map(str, value)) or "-"
    return "-" if value is None or value == {} else str(value)
