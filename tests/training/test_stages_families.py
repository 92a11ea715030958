"""Both families through SFT and KTO, whole and with an adapter; episodes without any frame."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import recorded_runs
from random_model import random_qwen3_model
from stage_recipes import LORA, changed, tiny, vision
from trl_steps import pads_equal_patches

from eva_graph import VideoAgent
from eva_graph.policy.processor import load_processor
from eva_graph.testing import ScriptedPolicy
from eva_graph_training.stages.kto import kto_trainer, train_kto
from eva_graph_training.stages.run import StageRun
from eva_graph_training.stages.sft import sft_trainer, train_sft

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def qwen3(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return random_qwen3_model(tmp_path_factory.mktemp("qwen3") / "model")


@pytest.mark.parametrize("lora", [None, LORA], ids=["full", "lora"])
def test_qwen3_vl_is_trained_like_qwen2_5_vl(
    lora: Any, qwen3: Path, scripted: Path, clips: list[Path], tmp_path: Path
) -> None:
    recipe = tiny(tmp_path, qwen3, [scripted], lora=lora, epochs=1)
    processor = load_processor(qwen3)
    before = qwen3
    for build, train in ((sft_trainer, train_sft), (kto_trainer, train_kto)):
        name: Any = "sft" if train is train_sft else "kto"
        trainer: Any = build(StageRun.of(recipe, name))
        batch = trainer.data_collator([trainer.train_dataset[n] for n in range(4)])
        pads = pads_equal_patches(batch, processor)
        assert int((batch["mm_token_type_ids"] == 1).sum()) == pads
        trained = train(recipe)
        names = vision(changed(before, trained.model))
        assert any("deepstack_merger_list" in each for each in names)
        assert any("visual.blocks.0" in each for each in names)
        before = trained.model
        result = VideoAgent(policy=str(before)).run(clips[0], "Which colour is shown?")
        assert result.usage.completion_tokens


@pytest.mark.parametrize("lora", [None, LORA], ids=["full", "lora"])
def test_a_frozen_tower_stays_frozen(
    lora: Any, qwen3: Path, scripted: Path, tmp_path: Path
) -> None:
    own: dict[str, Any] = {"lora": lora, "max_steps": 2, "train_vision": False}
    trained = train_sft(tiny(tmp_path, qwen3, [scripted], **own))
    names = changed(qwen3, trained.model)
    assert names
    assert not vision(names)


@pytest.mark.parametrize("family", ["qwen2.5", "qwen3"])
def test_micro_batches_without_frames_are_no_trouble(
    family: str, qwen3: Path, model_folder: Path, clips: list[Path], tmp_path: Path
) -> None:
    run = tmp_path / "blind"
    for clip in clips:
        for script in (recorded_runs.GUESS, recorded_runs.GUESS, recorded_runs.TWO_LOOKS):
            VideoAgent(ScriptedPolicy(script)).run(clip, recorded_runs.COLOUR, record=run)
    recorded_runs.amend(run, lambda record: {"desirable": record.answer == "yellow"})
    model = qwen3 if family == "qwen3" else model_folder
    own: dict[str, Any] = {"epochs": 1, "activation_checkpointing": True}
    recipe = tiny(tmp_path / "work", model, [run], **own)
    assert train_sft(recipe).steps == 5
    assert train_kto(recipe).steps == 4
