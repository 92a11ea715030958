"""Commands that the training package adds to `eva-graph`; light until one runs."""

from __future__ import annotations

import tempfile
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer


class DemoKind(StrEnum):
    """What the demo asks."""

    TIME = "time"
    EVENT = "event"


def demo(
    seed: Annotated[int, typer.Option(help="Which synthetic video; any whole number.")] = 7,
    kind: Annotated[
        DemoKind, typer.Option(help="What is shown at a given time, or during an event.")
    ] = DemoKind.EVENT,
    policy: Annotated[
        str | None, typer.Option(help="Server URL or model folder; the embedded nano if absent.")
    ] = None,
    record: Annotated[Path | None, typer.Option(help="Run directory to record into.")] = None,
    video: Annotated[
        Path | None, typer.Option(help="Keep the rendered video as this file.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Render a synthetic video, ask it a question and compare with what was drawn.

    eva-graph demo --seed 3 --record runs/demo
    """
    from rich.console import Console

    from eva_graph.agent import VideoAgent
    from eva_graph.asking import report
    from eva_graph.known import Reference
    from eva_graph.state import Context
    from eva_graph_training.world.demo import demo_task
    from eva_graph_training.world.render import render

    world, question = demo_task(seed, kind.value)
    context = Context(
        record=None if record is None else str(record),
        reference=Reference(expected=question.answer),
    )
    agent = VideoAgent(policy, context=context)
    with tempfile.TemporaryDirectory() as folder:
        path = video or Path(folder) / f"world-{seed}.mp4"
        render(world, path)
        news = Console(stderr=as_json, highlight=False, soft_wrap=True)
        news.print(f"[dim]video[/] synthetic, {world.duration_seconds} s, seed {seed}")
        news.print(f"[dim]question[/] {question.text}", markup=True)
        result = report(
            agent,
            path,
            question.text,
            as_json=as_json,
            extra=lambda done: {
                "question": question.text,
                "expected": question.answer,
                "correct": done.answer == question.answer,
            },
        )
    correct = result.answer == question.answer
    if not as_json:
        verdict = "[green]right[/]" if correct else "[red]wrong[/]"
        news.print(f"[dim]expected[/] {question.answer}: {verdict}")
    if result.answer is None:
        raise typer.Exit(1)
