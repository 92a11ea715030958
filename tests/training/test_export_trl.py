"""Every TRL form loaded by TRL's own trainer, which trains a step on it: the loss is on what the
policy wrote and nothing else, and every image is in the batch.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import torch
from datasets import Dataset, load_dataset
from hypothesis import given
from hypothesis import strategies as st
from scripted_model import make_it_say
from trl import GRPOConfig, GRPOTrainer, KTOConfig, KTOTrainer, SFTConfig, SFTTrainer

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
from eva_graph_training.collate import TrajectoryCollator
from eva_graph_training.dataset import kto_dataset
from eva_graph_training.env import VideoEnvironment
from eva_graph_training.errors import DataError
from eva_graph_training.export.exporting import ExportRequest, export
from eva_graph_training.export.forms import FORMS
from eva_graph_training.export.row import FrameDelivery
from eva_graph_training.format import prepare_processor
from eva_graph_training.interleaving import interleave
from eva_graph_training.pivot_score import pivot_reward
from eva_graph_training.rollouts import ExactRolloutTrainer, RecordedRollouts, recorded_reward

QUIET = {
    "use_cpu": True, "bf16": False, "report_to": [], "save_strategy": "no", "disable_tqdm": True,
    "activation_checkpointing": False, "max_steps": 1, "learning_rate": 1e-3,
}  # fmt: skip


@pytest.fixture(autouse=True)
def experimental(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRL_EXPERIMENTAL_SILENCE", "1")


@pytest.fixture(scope="module")
def processor(model_folder: Path) -> ImageOnlyProcessor:
    return load_processor(model_folder)


def exported(form: str, runs: Sequence[Path], out: Path, **settings: Any) -> Path:
    export(ExportRequest(runs=runs, form=FORMS[form], out=out, **settings))
    return out


def rows_of(file: Path) -> Dataset:
    return load_dataset("parquet", data_files=str(file), split="train")


def pads_equal_patches(batch: dict[str, Any], processor: ImageOnlyProcessor) -> int:
    """Image tokens == merged patches of the grid == patches there are; their number."""
    patches = int(batch["image_grid_thw"].prod(dim=1).sum())
    pads = int((batch["input_ids"] == processor.image_token_id).sum())
    assert batch["pixel_values"].shape[0] == patches
    assert pads == patches // 4 > 0
    return pads


def spoken(record: Trajectory) -> list[str]:
    """What the policy wrote itself, turn by turn, as it is learned."""
    return [turn.text + "<|im_end|>" for turn in record.turns if not turn.edited]


def learned(ids: torch.Tensor, mask: torch.Tensor, processor: ImageOnlyProcessor) -> str:
    return str(processor.tokenizer.decode(ids[mask.bool()]))


def moved(model: Any, before: dict[str, torch.Tensor]) -> set[str]:
    return {name for name, value in model.state_dict().items() if not value.equal(before[name])}


def copied(model: Any) -> dict[str, torch.Tensor]:
    return {name: value.clone() for name, value in model.state_dict().items()}


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


def test_kto_learns_what_the_policy_wrote(
    scripted: Path, edited: Path, model_folder: Path, processor: ImageOnlyProcessor, tmp_path: Path
) -> None:
    out = exported("trl-kto", [edited, scripted], tmp_path / "out")
    rows = kto_dataset(out / "train.parquet", seed=1)
    records = [r for run in (edited, scripted) for r in RunStore(run).records()]
    assert len(rows) == len(records)
    collator = TrajectoryCollator(processor)
    config = KTOConfig(
        output_dir=str(tmp_path), max_length=None, per_device_train_batch_size=4, **QUIET
    )
    trainer = KTOTrainer(
        model=load_model(model_folder), args=config, train_dataset=rows,
        processing_class=processor, data_collator=collator,
    )  # fmt: skip
    by_text = {"".join(spoken(record)): record for record in records}
    examples = [rows[number] for number in range(4)]
    batch = trainer.data_collator(examples)
    pads_equal_patches(batch, processor)
    assert batch["label"].tolist() == [row["label"] for row in examples]
    for number, label in enumerate(batch["label"].tolist()):
        text = learned(batch["input_ids"][number], batch["completion_mask"][number], processor)
        assert by_text[text].desirable is label
        twin = learned(
            batch["KL_input_ids"][number], batch["KL_completion_mask"][number], processor
        )
        assert twin == text, "the KL pair keeps the completion"
    twins = processor.tokenizer.batch_decode(batch["KL_input_ids"])
    texts = processor.tokenizer.batch_decode(batch["input_ids"])
    assert all(twin != text for twin, text in zip(twins, texts, strict=True)), "and not the prompt"
    before = copied(trainer.model)
    trainer.train()
    assert any("visual" in name for name in moved(trainer.model, before))


def test_kto_pairs_see_the_images_of_their_completions(
    scripted: Path, model_folder: Path, processor: ImageOnlyProcessor, tmp_path: Path
) -> None:
    """One batch's `pixel_values` serve both forwards: equal to each pair on its own."""
    out = exported("trl-kto", [scripted], tmp_path / "out")
    rows = kto_dataset(out / "train.parquet")
    shown = [row for row in rows if "image" in str(row["completion"])][:3]
    collator = TrajectoryCollator(processor)
    config = KTOConfig(
        output_dir=str(tmp_path), max_length=None, per_device_train_batch_size=3, **QUIET
    )
    trainer = KTOTrainer(
        model=load_model(model_folder), args=config, train_dataset=rows,
        processing_class=processor, data_collator=collator,
    )  # fmt: skip
    trainer.model.eval()
    alone = TrajectoryCollator(processor, calculate_kl=False)
    with torch.no_grad():
        together = trainer._compute_kl_logps(trainer.model, collator(shown))
        singles = []
        for number, row in enumerate(shown):
            pair = alone([{**row, "prompt": shown[(number + 1) % 3]["prompt"]}])
            for name in ("input_ids", "attention_mask", "completion_mask", "mm_token_type_ids"):
                if name in pair:
                    pair[f"KL_{name}"] = pair[name]
            singles.append(trainer._compute_kl_logps(trainer.model, pair))
    assert torch.allclose(together, torch.cat(singles), rtol=1e-4, atol=1e-3)


def test_kto_refuses_what_it_would_have_to_cut_or_mix(
    scripted: Path, processor: ImageOnlyProcessor, tmp_path: Path
) -> None:
    out = exported("trl-kto", [scripted], tmp_path / "out")
    rows = [dict(row) for row in rows_of(out / "train.parquet")]
    with pytest.raises(DataError, match="the limit is 50"):
        TrajectoryCollator(processor, max_length=50)(rows[:2])
    with pytest.raises(DataError, match="at least 2 rows"):
        TrajectoryCollator(processor)(rows[:1])
    with pytest.raises(DataError, match="all rows of a batch have one prompt"):
        TrajectoryCollator(processor)([rows[0], rows[0]])
    mixed = {**rows[0], "prompt": rows[0]["completion"]}
    with pytest.raises(DataError, match="prompt holds an image"):
        TrajectoryCollator(processor)([mixed, rows[1]])
    untaught = [
        {**message, "train": False} if message["role"] == "assistant" else message
        for message in rows[0]["completion"]
    ]
    with pytest.raises(DataError, match="no turn that may be learned"):
        TrajectoryCollator(processor)([{**rows[0], "completion": untaught}, rows[1]])


def test_grpo_replays_the_recorded_ids(
    with_tokens: Path, model_folder: Path, processor: ImageOnlyProcessor, tmp_path: Path
) -> None:
    out = exported("trl-grpo", [with_tokens], tmp_path / "out")
    recorded = RecordedRollouts.load(out / "train.rollouts.parquet", per_prompt=2)
    config = GRPOConfig(
        output_dir=str(tmp_path), per_device_train_batch_size=2, num_generations=2,
        shuffle_dataset=False, **QUIET,
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


def batches_of(trainer: GRPOTrainer) -> list[dict[str, Any]]:
    """Every generation batch that the trainer makes from now on."""
    seen: list[dict[str, Any]] = []
    score = trainer._generate_and_score_completions

    def keep(inputs: Any) -> Any:
        seen.append(score(inputs))
        return seen[-1]

    trainer._generate_and_score_completions = keep
    return seen


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


@given(
    rows=st.lists(st.tuples(st.booleans(), st.sampled_from("abcde")), max_size=60),
    seed=st.integers(0, 3),
)
def test_the_order_of_kto_rows(rows: list[tuple[bool, str]], seed: int) -> None:
    labels, videos = [label for label, _ in rows], [video for _, video in rows]
    order = interleave(labels, videos, seed=seed)
    assert sorted(order) == list(range(len(rows)))
    shown = [videos[number] for number in order]
    if not rows or max(map(videos.count, videos)) <= (len(videos) + 1) // 2:
        assert all(first != second for first, second in pairwise(shown))


def test_labels_alternate_in_proportion() -> None:
    labels = [number % 8 < 5 for number in range(800)]
    order = interleave(labels, [str(number % 50) for number in range(800)], seed=0)
    for start in range(0, 800, 8):
        assert 4 <= sum(labels[number] for number in order[start : start + 8]) <= 6
