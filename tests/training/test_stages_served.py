"""What a stage leaves is served by a real vLLM, and writes there what it writes in process."""

from __future__ import annotations

from pathlib import Path

import pytest
from stage_recipes import LORA, tiny
from vllm_server import vllm_serving

from eva_graph import Context, VideoAgent
from eva_graph_training.stages.sft import train_sft

pytestmark = pytest.mark.vllm


def test_vllm_serves_what_was_trained_and_merged(
    scripted: Path, clips: list[Path], model_folder: Path, tmp_path: Path
) -> None:
    recipe = tiny(tmp_path, model_folder, [scripted], lora=LORA, epochs=1, learning_rate=1e-2)
    model = train_sft(recipe).model
    context = Context(max_turns=2, max_new_tokens=64)
    here = VideoAgent(policy=str(model), context=context).run(clips[0], "Which colour?")
    frames = tmp_path / "frames"
    frames.mkdir()
    with vllm_serving(
        model, media=frames, log=tmp_path / "vllm.log", context_tokens=2048
    ) as server:
        there = VideoAgent(policy=server, context=context).run(clips[0], "Which colour?")
    first, second = here.trajectory.turns[0].text, there.trajectory.turns[0].text
    assert first
    assert first == second
