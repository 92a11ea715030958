"""GRPO that was stopped goes on exactly, and its reference stays the stage's start."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from grpo_recipes import EVERY_STEP, small, stopped_after, uncertain_nano, write_questions
from trl.trainer.utils import use_adapter

from eva_graph_training.stages.grpo import grpo_trainer
from eva_graph_training.stages.logs import read_log
from eva_graph_training.stages.run import StageRun

LORA = "grpo.lora={rank: 4, alpha: 8}"
STEPS = 3


@pytest.fixture(scope="module")
def start(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return uncertain_nano(tmp_path_factory.mktemp("start") / "model")


@pytest.fixture(scope="module")
def questions(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_questions(tmp_path_factory.mktemp("world"))


@pytest.mark.slow
@pytest.mark.parametrize("own", [(), (LORA,)], ids=["full", "lora"])
def test_what_was_stopped_goes_on_exactly(
    own: tuple[str, ...], start: Path, questions: Path, tmp_path: Path
) -> None:
    changes = [f"grpo.max_steps={STEPS}", EVERY_STEP, *own]
    stopped = small(tmp_path / "stopped", start, questions, changes)
    before: Any = grpo_trainer(StageRun.of(stopped, "grpo"))
    (batch,) = stopped_after(1, before)
    reference = reference_logprobs(before, batch)
    assert reference.allclose(batch["ref_per_token_logps"], atol=1e-5)
    run = StageRun.of(stopped, "grpo")
    assert run.resumed == 1
    after: Any = grpo_trainer(run)
    after.train(resume_from_checkpoint=str(run.checkpoint))
    assert reference_logprobs(after, batch).equal(reference), "still the stage's start"
    assert not policy_logprobs(after, batch).allclose(reference, atol=1e-4), "it learned"
    gone_on = trained_weights(after)
    whole: Any = grpo_trainer(
        StageRun.of(small(tmp_path / "whole", start, questions, changes), "grpo")
    )
    whole.train()
    assert after.state.global_step == whole.state.global_step == STEPS
    assert all(value.equal(gone_on[name]) for name, value in trained_weights(whole).items())
    logs = [read_log(tmp_path / work / "grpo" / "log.jsonl") for work in ("stopped", "whole")]
    told = [[(one["step"], one["loss"], one["reward"]) for one in log if "loss" in one]
            for log in logs]  # fmt: skip
    assert told[0] == told[1]
    assert len(told[0]) == STEPS


def trained_weights(trainer: Any) -> dict[str, torch.Tensor]:
    return {name: value for name, value in trainer.model.named_parameters() if value.requires_grad}


def reference_logprobs(trainer: Any, batch: dict[str, Any]) -> torch.Tensor:
    """Of the completions of a batch, as TRL asks for them."""
    if trainer.ref_model is not None:
        return logprobs(trainer, trainer.ref_model, batch)
    with use_adapter(trainer.model, adapter_name="ref"):
        return logprobs(trainer, trainer.model, batch)


def policy_logprobs(trainer: Any, batch: dict[str, Any]) -> torch.Tensor:
    return logprobs(trainer, trainer.model, batch)


def logprobs(trainer: Any, model: Any, batch: dict[str, Any]) -> torch.Tensor:
    ids = torch.cat([batch["prompt_ids"], batch["completion_ids"]], dim=1)
    mask = torch.cat([batch["prompt_mask"], batch["completion_mask"]], dim=1)
    vision = {key: batch[key] for key in ("pixel_values", "image_grid_thw", "num_images",
                                          "mm_token_type_ids")}  # fmt: skip
    model.eval()
    with torch.no_grad():
        found, _, _ = trainer._get_per_token_logps_and_entropies(
            model, ids, mask, batch["completion_ids"].shape[1], batch_size=4, **vision
        )
    kept: torch.Tensor = found * batch["completion_mask"]
    return kept
