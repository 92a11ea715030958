"""What guards a GRPO run: generation batches against the frames that their rollouts showed. All on
TRL's own trainer, stopped before the first optimiser step.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import sabotage
from episodes import TWO_LOOKS, answer, look, span
from scripted_model import make_it_say
from trl import GRPOConfig, GRPOTrainer
from trl_steps import QUIET, copied, exported, moved, rows_of

from eva_graph.limits import Limits
from eva_graph.policy.processor import (
    ImageOnlyProcessor,
    load_model,
    load_processor,
    visual_grid,
)
from eva_graph.videos import OpenVideos
from eva_graph_tools import FrameStore
from eva_graph_training.checks.rollouts import CheckedExactRollouts, RolloutSightCheck
from eva_graph_training.env import VideoEnvironment
from eva_graph_training.errors import BatchFault, BlindRun, TrainingError
from eva_graph_training.format import prepare_processor
from eva_graph_training.rollouts import RecordedRollouts, Rollout, recorded_reward

SAME_SIZE = [look(span(0, 4, 2)), look(span(3, 3, 1)), answer("yellow")]


class CheckedGrpo(RolloutSightCheck, GRPOTrainer):
    pass


class LearnsToolTurns(CheckedGrpo):
    """A trainer whose tool loop forgets which tokens are the environment's."""

    def _tool_call_loop(self, *args: Any) -> tuple[Any, ...]:
        mask, *others = super()._tool_call_loop(*args)
        return [[1] * len(row) for row in mask], *others


@pytest.fixture(autouse=True)
def experimental(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRL_EXPERIMENTAL_SILENCE", "1")


@pytest.fixture
def processor(model_folder: Path) -> ImageOnlyProcessor:
    return prepare_processor(load_processor(model_folder))


def playing(
    scripted: Path,
    model_folder: Path,
    processor: ImageOnlyProcessor,
    out: Path,
    kind: type[CheckedGrpo] = CheckedGrpo,
    script: list[str] = SAME_SIZE,
) -> CheckedGrpo:
    """A trainer that plays an episode with two looks in its own loop."""
    rows = rows_of(exported("trl-grpo", [scripted], out / "rows") / "train.parquet").select([0])
    model = load_model(model_folder)
    make_it_say(model, processor.tokenizer, script)
    environment = partial(
        VideoEnvironment, store=FrameStore(out / "frames"), videos=OpenVideos(),
        limits=Limits(max_turns=6, grid=visual_grid(processor)),
    )  # fmt: skip
    config = GRPOConfig(
        output_dir=str(out), per_device_train_batch_size=2, num_generations=2,
        max_completion_length=4096, max_tool_calling_iterations=5, **QUIET,
    )  # fmt: skip
    return kind(
        model=model, args=config, train_dataset=rows, processing_class=processor,
        reward_funcs=lambda completions, **_: [float(n) for n in range(len(completions))],
        environment_factory=environment,
    )  # fmt: skip


def stopped(trainer: Any, fault: type[TrainingError], cause: str) -> None:
    before = copied(trainer.model)
    with pytest.raises(fault, match=cause):
        trainer.train()
    assert trainer.state.global_step == 0
    assert not moved(trainer.model, before)


@pytest.mark.parametrize(
    ("sabotaged", "cause"),
    [
        (sabotage.all_frames_one, r"rollout 0 .*frame 1 .*all frames .* replaced by one"),
        (sabotage.shifted_frames, r"rollout 0 .*frame 0 .*shows frame 1 .*: .*shifted"),
        (sabotage.imageless_tool_turns, "a tool turn shows 2 frames, its text has 0 image pl"),
    ],
)
def test_wrong_frames_stop_the_run(
    sabotaged: Callable[[ImageOnlyProcessor], None],
    cause: str,
    scripted: Path,
    model_folder: Path,
    processor: ImageOnlyProcessor,
    tmp_path: Path,
) -> None:
    trainer = playing(scripted, model_folder, processor, tmp_path)
    sabotaged(processor)
    stopped(trainer, BatchFault, cause)


def test_frames_of_other_sizes_stop_the_run(
    scripted: Path, model_folder: Path, processor: ImageOnlyProcessor, tmp_path: Path
) -> None:
    """Tokens and pixels differ: TRL drops the images of all rollouts, and would train on."""
    trainer = playing(scripted, model_folder, processor, tmp_path, script=TWO_LOOKS)
    sabotage.all_frames_one(processor)
    stopped(trainer, BatchFault, "TRL dropped all 6 images of the batch, because tokens and pix")


def test_a_loss_on_tool_turns_stops_the_run(
    scripted: Path, model_folder: Path, processor: ImageOnlyProcessor, tmp_path: Path
) -> None:
    trainer = playing(scripted, model_folder, processor, tmp_path, LearnsToolTurns)
    stopped(trainer, BatchFault, r"rollout 0 .*3 turns may be learned, 1 are: .* did not write")


@pytest.mark.parametrize(
    ("sabotaged", "cause"),
    [
        (sabotage.deaf_to_pixels, "the model is called without pixel_values"),
        (sabotage.blind_tower, "pixel_values reach the model and change nothing"),
    ],
)
def test_a_blind_model_stops_the_run(
    sabotaged: Callable[[Any], None],
    cause: str,
    scripted: Path,
    model_folder: Path,
    processor: ImageOnlyProcessor,
    tmp_path: Path,
) -> None:
    trainer = playing(scripted, model_folder, processor, tmp_path)
    sabotaged(trainer.model)
    stopped(trainer, BlindRun, cause)


def test_a_sound_run_passes(
    scripted: Path, model_folder: Path, processor: ImageOnlyProcessor, tmp_path: Path
) -> None:
    trainer = playing(scripted, model_folder, processor, tmp_path)
    trainer.train()
    assert trainer.state.global_step == 1
    assert trainer.sight is not None
    assert trainer.sight.swapped is not None
    assert trainer.sight.swapped.logprobs > 20 * trainer.sight.noise.logprobs


def replaying(
    with_tokens: Path, model_folder: Path, processor: ImageOnlyProcessor, out: Path, **how: Any
) -> tuple[RecordedRollouts, dict[str, Any]]:
    folder = exported("trl-grpo", [with_tokens], out / "rows")
    recorded = RecordedRollouts.load(folder / "train.rollouts.parquet", per_prompt=2)
    config = GRPOConfig(output_dir=str(out), num_generations=2, **how, **QUIET)
    return recorded, {
        "model": load_model(model_folder), "args": config, "train_dataset": recorded.prompts(),
        "reward_funcs": recorded_reward, "processing_class": processor,
    }  # fmt: skip


def test_the_stock_rollout_func_is_refused(
    with_tokens: Path, model_folder: Path, processor: ImageOnlyProcessor, tmp_path: Path
) -> None:
    """TRL takes its ids, asks for no images and trains on without a word."""
    recorded, parts = replaying(
        with_tokens, model_folder, processor, tmp_path, per_device_train_batch_size=2
    )

    def rollout(prompts: list[Any], _: GRPOTrainer) -> dict[str, Any]:
        played: list[Rollout] = recorded.rollouts(recorded.prompts().select([0, 0]), [0, 1], 0)
        return {
            "prompt_ids": [list(each.prompt_ids) for each in played],
            "completion_ids": [list(each.completion_ids) for each in played],
            "env_mask": [list(each.policy_mask) for each in played],
            "logprobs": None,
            "recorded_reward": [each.reward for each in played],
        }

    trainer = CheckedGrpo(rollout_func=rollout, **parts)
    stopped(trainer, BatchFault, "there are no pixel_values: .*TRL drops those of a rollout_func")


@pytest.mark.parametrize("micro_batch", [2, 1], ids=["together", "one by one"])
def test_recorded_rollouts_pass(
    micro_batch: int,
    with_tokens: Path,
    model_folder: Path,
    processor: ImageOnlyProcessor,
    tmp_path: Path,
) -> None:
    """One of the two rollouts saw no frame: alone it is a micro-batch that cannot be judged."""
    recorded, parts = replaying(
        with_tokens, model_folder, processor, tmp_path,
        per_device_train_batch_size=micro_batch, gradient_accumulation_steps=2 // micro_batch,
    )  # fmt: skip
    trainer = CheckedExactRollouts(source=recorded, **parts)
    trainer.train()
    assert trainer.state.global_step == 1
    assert trainer.sight is not None


def test_recorded_rollouts_with_other_frames_are_refused(
    with_tokens: Path, model_folder: Path, processor: ImageOnlyProcessor, tmp_path: Path
) -> None:
    recorded, parts = replaying(
        with_tokens, model_folder, processor, tmp_path, per_device_train_batch_size=2
    )
    trainer = CheckedExactRollouts(source=recorded, **parts)
    sabotage.shifted_frames(processor)
    stopped(trainer, BatchFault, "frames are shifted or mixed up")
