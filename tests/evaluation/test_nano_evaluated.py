"""nano on its own synthetic world: the agent against evenly spread frames of the same cost."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from eva_graph.trajectory import RunStore, require_sound
from eva_graph_training.world.sets import WorldSetPlan, video_file, world_set

FIRST_SEED = 77_000_000  # far from every set that nano was trained or tested on


def world_benchmark(folder: Path, videos: int) -> list[str]:
    """World videos and their questions as `custom` annotations."""
    rows = []
    for task in world_set(WorldSetPlan(first_seed=FIRST_SEED, short_videos=videos, long_videos=0)):
        name = video_file(task, folder / "videos").name
        rows += [
            {"video": name, "question": one.text, "answer": one.answer, "question_type": one.kind}
            for one in task.questions
        ]
    annotations = folder / "world.jsonl"
    annotations.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return ["--annotations", str(annotations), "--videos", str(folder / "videos")]


@pytest.mark.slow
def test_looking_beats_even_frames_at_equal_cost(
    tmp_path: Path, command: Callable[..., tuple[dict[str, Any], str]]
) -> None:
    evaluate = ["eval", "custom", *world_benchmark(tmp_path, 3)]
    agent, _ = command(*evaluate, "--out", tmp_path / "agent")
    tokens = math.ceil(agent["measures"]["visual_tokens"]["mean"])
    spec = f"uniform-look:tokens={tokens}@0.5"
    passive, _ = command(*evaluate, "--baseline", spec, "--out", tmp_path / "passive")
    assert agent["gate"]["valid"]
    assert agent["accuracy"]["value"] >= 0.9
    assert agent["accuracy"]["questions"] == passive["accuracy"]["questions"] >= 10
    assert passive["measures"]["rounds"]["mean"] == 1
    assert passive["measures"]["visual_tokens"]["p95"] <= tokens
    compared, _ = command("compare", tmp_path / "passive", tmp_path / "agent")
    assert compared["difference"]["value"] > 0.5
    assert compared["test"]["p_value"] < 0.05
    for run in ("agent", "passive"):
        store = RunStore(tmp_path / run)
        assert require_sound(store.records(), store.frames) == agent["questions"]
