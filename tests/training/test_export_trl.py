"""SFT, GRPO and pivot rows loaded by TRL's own trainers, which train a step on them: the loss is on
what the policy wrote and nothing else, and every image is in the batch.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path

import pytest
import torch
from scripted_model import make_it_say
from trl import GRPOConfig, GRPOTrainer, SFTConfig, SFTTrainer
from trl_steps import (
    QUIET,
    batches_of,
    copied,
    exported,
    learned,
    moved,
    pads_equal_patches,
    rows_of,
    spoken,
)

from eva_graph.limits import Limits
from eva_graph.policy.processor import (
    ImageOnlyProcessor,
    load_model,
    load_processor,
    visual_grid,
)
from eva_graph.trajectory import RunStore, Trajectory
from eva_graph.videos import OpenVideos
from eva_graph_tools import FrameStore
from eva_graph_training.env import VideoEnvironment
from eva_graph_training.errors import DataError
from eva_graph_training.export.row import FrameDelivery
from eva_graph_training.format import prepare_processor
from eva_graph_training.pivot_score import pivot_reward
from eva_graph_training.rollouts import ExactRolloutTrainer, RecordedRollouts, recorded_reward


@pytest.fixture(autouse=True)
def experimental(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRL_EXPERIMENTAL_SILENCE", "1")


@pytest.fixture(scope="module")
def processor(model_folder: Path) -> ImageOnlyProcessor:
    return load_processor(model_folder)


@pytest.mark.parametrize("delivery", [FrameDelivery.PATH, FrameDelivery.INLINE])
def test_sft_learns_what_the_policy_wrote(
    delivery: FrameDelivery,
    scripted: Path,
    edited: Path,
    model_folder: Path,
    processor: ImageOnlyProcessor,
    tmp_path: Path,
) -> None:
    out = exported("trl-sft", [edited, scripted], tmp_path / "out", delivery=delivery)
    rows = rows_of(out / "train.parquet")
    model = load_model(model_folder)
    before = copied(model)
    config = SFTConfig(
        output_dir=str(tmp_path), assistant_only_loss=True, max_length=None,
        per_device_train_batch_size=2, **QUIET,
    )  # fmt: skip
    trainer = SFTTrainer(
        model=model, args=config, train_dataset=rows, processing_class=processor
    )  # fmt: skip
    answered = [r for run in (edited, scripted) for r in RunStore(run).records() if r.answer]
    assert len(rows) == len(answered)
    for number in (0, 1):  # the edited episode, and one with two looks
        batch = trainer.data_collator([rows[number]])
        pads_equal_patches(batch, processor)
        text = learned(batch["input_ids"][0], batch["labels"][0] != -100, processor)
        assert text == "".join(spoken(answered[number]))
    assert answered[0].turns[0].edited
    trainer.train()
    changed = moved(trainer.model, before)
    assert any("visual" in name for name in changed)
    assert any("language_model" in name for name in changed)


@pytest.mark.parametrize("micro_batch", [2, 1], ids=["together", "one by one"])
def test_grpo_replays_the_recorded_ids(
    micro_batch: int,
    with_tokens: Path,
    model_folder: Path,
    processor: ImageOnlyProcessor,
    tmp_path: Path,
) -> None:
    """One of the two rollouts saw no image: alone it is a micro-batch without any."""
    out = exported("trl-grpo", [with_tokens], tmp_path / "out")
    recorded = RecordedRollouts.load(out / "train.rollouts.parquet", per_prompt=2)
    config = GRPOConfig(
        output_dir=str(tmp_path), per_device_train_batch_size=micro_batch, num_generations=2,
        gradient_accumulation_steps=2 // micro_batch, beta=0.04, **QUIET,
    )  # fmt: skip
    model = load_model(model_folder)
    before = copied(model)
    trainer = ExactRolloutTrainer(
        source=recorded, model=model, args=config, train_dataset=recorded.prompts(),
        reward_funcs=recorded_reward, processing_class=processor,
    )  # fmt: skip
    seen = batches_of(trainer)
    trainer.train()
    records = {ids_of(record): record for record in RunStore(with_tokens).records()}
    batch = seen[0]
    for number in range(2):
        prompt = batch["prompt_ids"][number][batch["prompt_mask"][number].bool()]
        present = batch["completion_mask"][number].bool()
        completion = batch["completion_ids"][number][present]
        record = records[(*prompt.tolist(), *completion.tolist())]
        text = learned(completion, batch["tool_mask"][number][present], processor)
        assert text == "".join(spoken(record))
    everything = {
        **batch,
        "input_ids": torch.cat([batch["prompt_ids"], batch["completion_ids"]], 1),
    }
    pads_equal_patches(everything, processor)
    assert sorted(batch["advantages"].tolist())[0] < 0, "one answered right, one wrong"
    changed = moved(trainer.model, before)
    assert any("visual" in name for name in changed), "the images reached the loss"


def test_a_group_takes_different_rollouts(with_tokens: Path, tmp_path: Path) -> None:
    """Even where two processes hold a half of the group each."""
    out = exported("trl-grpo", [with_tokens], tmp_path / "out")
    recorded = RecordedRollouts.load(out / "train.rollouts.parquet", per_prompt=2)
    row = recorded.prompts()[0]
    first, second = (recorded.rollouts([row], [rank], 0)[0] for rank in (0, 1))
    assert first.trajectory_id != second.trajectory_id
    assert recorded.rollouts([row, row], [0, 1], 3) == [first, second], "round after round"
    assert recorded.left_out == 0


def ids_of(record: Trajectory) -> tuple[int, ...]:
    ids: list[int] = []
    for turn in record.turns:
        assert turn.tokens is not None
        ids += [*turn.tokens.prompt_delta_ids, *turn.tokens.token_ids]
    return tuple(ids)


def test_grpo_plays_the_exported_questions(
    scripted: Path, model_folder: Path, tmp_path: Path
) -> None:
    """Prompt rows drive the environment: the loop shows the frames that the record shows."""
    out = exported("trl-grpo", [scripted], tmp_path / "out")
    rows = rows_of(out / "train.parquet").select([0])
    record = next(RunStore(scripted).records())
    own = prepare_processor(load_processor(model_folder))
    model = load_model(model_folder)
    make_it_say(model, own.tokenizer, [turn.text for turn in record.turns])
    environment = partial(
        VideoEnvironment, store=FrameStore(tmp_path / "frames"), videos=OpenVideos(),
        limits=Limits(max_turns=6, grid=visual_grid(own)),
    )  # fmt: skip
    config = GRPOConfig(
        output_dir=str(tmp_path), per_device_train_batch_size=2, num_generations=2,
        max_completion_length=4096, max_tool_calling_iterations=5, **QUIET,
    )  # fmt: skip
    trainer = GRPOTrainer(
        model=model, args=config, train_dataset=rows, processing_class=own,
        reward_funcs=lambda completions, answer, **_: [float(n) for n in range(len(answer))],
        environment_factory=environment,
    )  # fmt: skip
    seen = batches_of(trainer)
    trainer.train()
    batch = seen[0]
    completion = batch["completion_ids"][0][batch["completion_mask"][0].bool()]
    mask = batch["tool_mask"][0][batch["completion_mask"][0].bool()]
    assert learned(completion, mask, own) == "".join(spoken(record))
    ids = torch.cat([batch["prompt_ids"], batch["completion_ids"]], 1)
    assert pads_equal_patches({**batch, "input_ids": ids}, own) == 2 * record.usage.visual_tokens
    shown = {path.stem for path in (tmp_path / "frames").glob("??/*.jpg")}
    refs = [frame.ref for turn in record.turns for call in turn.calls for frame in call.frames]
    assert shown == {ref["uri"].rpartition(":")[2] for ref in refs}


def test_grpo_refuses_another_processor(
    with_tokens: Path, model_folder: Path, tmp_path: Path
) -> None:
    out = exported("trl-grpo", [with_tokens], tmp_path / "out")
    recorded = RecordedRollouts.load(out / "train.rollouts.parquet", per_prompt=2)
    other = load_processor(model_folder)
    other.image_processor.size = {"shortest_edge": 16 * 56 * 56, "longest_edge": 12_845_056}
    config = GRPOConfig(
        output_dir=str(tmp_path), per_device_train_batch_size=2, num_generations=2, **QUIET
    )
    trainer = ExactRolloutTrainer(
        source=recorded, model=load_model(model_folder), args=config,
        train_dataset=recorded.prompts(), reward_funcs=recorded_reward, processing_class=other,
    )  # fmt: skip
    with pytest.raises(DataError, match="use the processor of the policy that recorded"):
        trainer.train()


def test_pivot_rows_train_without_tools(
    scripted: Path, model_folder: Path, processor: ImageOnlyProcessor, tmp_path: Path
) -> None:
    out = exported("pivot", [scripted], tmp_path / "out")
    rows = rows_of(out / "train.parquet").filter(lambda row: "image" in str(row["prompt"]))
    config = GRPOConfig(
        output_dir=str(tmp_path), per_device_train_batch_size=2, num_generations=2,
        max_completion_length=8, **QUIET,
    )  # fmt: skip
    trainer = GRPOTrainer(
        model=load_model(model_folder), args=config, train_dataset=rows,
        reward_funcs=pivot_reward, processing_class=processor,
    )  # fmt: skip
    seen = batches_of(trainer)
    trainer.train()
    pads_equal_patches({**seen[0], "input_ids": seen[0]["prompt_ids"]}, processor)
    assert trainer.state.log_history[0]["reward"] == 0, "an untrained model calls nothing"
