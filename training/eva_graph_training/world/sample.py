"""The synthetic world as a sample of `eva-graph app`: the demo's video and question for a seed."""

from __future__ import annotations

from pathlib import Path

from eva_graph.app.samples import Sample
from eva_graph_training.world.demo import demo_task
from eva_graph_training.world.render import render


def world_sample(path: Path, seed: int) -> Sample:
    """Write a video of the synthetic world and ask about it; every other seed asks for a time."""
    world, question = demo_task(seed, "time" if seed % 2 else "event")
    render(world, path)
    return Sample(name=f"synthetic world {seed}", question=question.text, expected=question.answer)
