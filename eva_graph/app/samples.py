"""Videos that the page can make itself, each with a question whose answer is known.

Other packages bring them under the entry point group `eva_graph.samples`: a function that writes
an mp4 for a seed and returns its `Sample`. The training package brings the synthetic world's.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import entry_points
from pathlib import Path
from typing import TypeAlias

GROUP = "eva_graph.samples"


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """What to ask about a video that was just made, and what is right."""

    name: str
    """What the page calls the video."""
    question: str
    expected: str
    options: tuple[str, ...] = ()


MakeSample: TypeAlias = Callable[[Path, int], Sample]
"""Writes the video for a seed to a path; equal seeds give equal videos."""


def installed_sample() -> MakeSample | None:
    """The first sample maker by name, or None where no package brings one."""
    entries = sorted(entry_points(group=GROUP), key=lambda entry: entry.name)
    if not entries:
        return None
    make: MakeSample = entries[0].load()
    return make
