"""Steps of a chain: each in a folder named after everything that decides its result, done once.

`WORK/<name>-<key>/` with `done.json`, written last. The key is a hash of the step's name, its
settings and the keys of the steps that it needs: chains that differ in a later setting share what
comes before, a changed setting makes a new folder, and a chain that was killed goes on.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from rich.console import Console

from eva_graph_training.data.workplace import write_whole
from eva_graph_training.errors import DataError
from eva_graph_training.sole_process import sole_process

DONE: Final = "done.json"
_DIGITS: Final = 10
Facts = Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One step.

    Attributes:
        name: for people; several steps of a chain have different ones.
        settings: plain JSON that decides the result, with the needed steps.
        needs: steps that must be done before.
        work: does it in its folder, given the folders of the needed steps by their names; what it
            returns is kept in `done.json`. Called again after it was killed, it goes on.
    """

    name: str
    settings: Mapping[str, Any] = field(default_factory=dict)
    needs: tuple[Step, ...] = ()
    work: Callable[[Path, Mapping[str, Path]], Facts]

    @property
    def key(self) -> str:
        """Names the result."""
        made_of = [self.name, self.settings, [need.key for need in self.needs]]
        text = json.dumps(made_of, sort_keys=True, default=str)
        return hashlib.sha256(text.encode()).hexdigest()[:_DIGITS]

    def folder(self, work: Path) -> Path:
        """Where it is done."""
        return work / f"{self.name}-{self.key}"

    def facts(self, work: Path) -> dict[str, Any]:
        """What it returned, with `seconds`.

        Raises:
            DataError: it is not done, or cannot be read.
        """
        path = self.folder(work) / DONE
        try:
            found = json.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise DataError(f"cannot read {path}: {error}") from None
        return dict(found["facts"], seconds=found["seconds"])

    def is_done(self, work: Path) -> bool:
        """Whether it was done to its end."""
        return (self.folder(work) / DONE).is_file()


def run_step(step: Step, work: Path, console: Console) -> dict[str, Any]:
    """Do a step and what it needs, as far as that was not done.

    Args:
        step: the last one.
        work: folder of all steps.
        console: is told what begins and what is done.

    Raises:
        EvaGraphError: whatever a step raises; calling again goes on.
    """
    for one in in_order(step):
        if not one.is_done(work):
            _do(one, work, console)
    return step.facts(work)


def in_order(step: Step) -> list[Step]:
    """The step behind all that it needs, each once."""
    found: dict[str, Step] = {}
    for need in step.needs:
        found |= {one.key: one for one in in_order(need)}
    return [*found.values(), step]


def _do(step: Step, work: Path, console: Console) -> None:
    folder = step.folder(work)
    spent = folder / "seconds.json"
    with sole_process(folder):
        console.print(f"{step.name}: {folder}", markup=False, soft_wrap=True)
        before = float(spent.read_text(encoding="utf-8")) if spent.is_file() else 0.0
        begun = time.monotonic()
        try:
            facts = step.work(folder, {need.name: need.folder(work) for need in step.needs})
        finally:
            seconds = round(before + time.monotonic() - begun, 1)
            write_whole(spent, f"{seconds}\n")
        done = {"step": step.name, "settings": step.settings, "seconds": seconds, "facts": facts}
        write_whole(folder / DONE, json.dumps(done, indent=1, default=str) + "\n")
        console.print(f"{step.name}: done in {seconds:.0f} s", markup=False)
