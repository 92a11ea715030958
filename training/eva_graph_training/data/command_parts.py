"""What the commands of `eva-graph data` share: sources, policies, progress and what they print."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from eva_graph.errors import InvalidRequest, MissingExtra

if TYPE_CHECKING:
    from eva_graph.episode import Wiring
    from eva_graph.state import Context
    from eva_graph_training.data.sources import Source
    from eva_graph_training.recipe import Recipe

_One = TypeVar("_One")


def need_train_extra() -> None:
    """Raises `MissingExtra` where rows cannot be written."""
    if find_spec("datasets") is None:
        raise MissingExtra('data sets need the train extra: pip install "eva-graph[train]"')


def sources_of(
    questions: Sequence[Path], videos: Sequence[Path] | None, layouts: Sequence[str] | None
) -> list[Source]:
    """One source a file; folder and layout are given once, or once for each.

    Raises:
        InvalidRequest: neither.
    """
    from eva_graph_training.data.sources import Source

    folders = _one_each("--videos", videos or [None], len(questions))
    forms = _one_each("--layout", list(map(str, layouts or ["custom"])), len(questions))
    return [
        Source(layout=form, annotations=file, videos=folder)
        for file, folder, form in zip(questions, folders, forms, strict=True)
    ]


def chosen_wiring(policy: str, model: str | None, recipe: Recipe, videos: Sequence[str]) -> Wiring:
    """The parts of the graph around the policy that `--policy` names.

    Args:
        policy: server URL, model folder, `nano`, or `world`.
        model: name at the server.
        recipe: has the tools.
        videos: files that `world` is to know.

    Raises:
        InvalidRequest: no such policy or tool.
        MissingExtra: a model in this process without the `nano` extra.
    """
    from eva_graph.graph import wire
    from eva_graph.videos import OpenVideos
    from eva_graph_training.data.world_teacher import WORLD, world_teacher

    opened = OpenVideos()
    if policy == WORLD:
        return wire(
            world_teacher(dict.fromkeys(videos), opened), tools=recipe.episode.tools, videos=opened
        )
    spec = None if policy == "nano" else policy
    return wire(spec, model=model, tools=recipe.episode.tools, videos=opened)


def chosen_context(recipe: Recipe, temperature: float) -> Context:
    """The knobs of every attempt."""
    return replace(recipe.episode.context(), temperature=temperature)


@contextmanager
def progress(**totals: int | None) -> Iterator[Callable[[str], None]]:
    """Bars on stderr, one for each total (None: unknown); what is yielded moves one by its name."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    with Progress(*columns, console=console, disable=not console.is_terminal) as bars:
        tasks = {name: bars.add_task(name, total=total) for name, total in totals.items()}
        yield lambda name: bars.advance(tasks[name])


def tell(counts: Mapping[str, Any], summary: str, *, as_json: bool) -> None:
    """Counts as one JSON object on stdout, or one a line on stderr; what was made, on stderr."""
    from rich.console import Console

    console = Console(stderr=True, highlight=False, soft_wrap=True)
    if as_json:
        print(json.dumps(counts))
    for label, number in () if as_json else _flat(counts):
        console.print(f"{number:>7}  {label.replace('_', ' ')}", markup=False)
    console.print(summary, markup=False)


def _flat(value: Any, label: str = "") -> Iterator[tuple[str, Any]]:
    """Every number of nested counts, labelled by the names above it."""
    if isinstance(value, list):
        value = {str(place): each for place, each in enumerate(value, start=1)}
    if not isinstance(value, Mapping):
        yield label, value
        return
    for name, each in value.items():
        yield from _flat(each, f"{label}: {name}" if label else name)


def _one_each(option: str, given: Sequence[_One], files: int) -> list[_One]:
    if len(given) == 1 or not files:
        return list(given) * files
    if len(given) != files:
        raise InvalidRequest(f"give {option} once, or once for each of the {files} files")
    return list(given)
