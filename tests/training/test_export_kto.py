"""`trl-kto` rows in TRL's KTOTrainer with our collator: masks, images, mismatched pairs, order."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from trl import KTOConfig, KTOTrainer
from trl_steps import QUIET, copied, exported, learned, moved, pads_equal_patches, rows_of, spoken

from eva_graph.policy.processor import ImageOnlyProcessor, load_model, load_processor
from eva_graph.trajectory import RunStore
from eva_graph_training.collate import TrajectoryCollator
from eva_graph_training.dataset import kto_dataset
from eva_graph_training.errors import DataError
from eva_graph_training.interleaving import interleave


@pytest.fixture(scope="module")
def processor(model_folder: Path) -> ImageOnlyProcessor:
    return load_processor(model_folder)


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
