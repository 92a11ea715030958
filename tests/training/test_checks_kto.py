"""What guards a KTO run: its batches as in SFT, the order of rows, their weights and lengths."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
import sabotage
from datasets import Dataset
from hypothesis import given
from hypothesis import strategies as st
from peft import LoraConfig
from trl import KTOConfig, KTOTrainer
from trl_steps import QUIET, copied, exported, moved, rows_of

from eva_graph.policy.processor import ImageOnlyProcessor, load_model, load_processor
from eva_graph_training.checks.kto import balanced_weights, require_mixed
from eva_graph_training.checks.lengths import row_tokens
from eva_graph_training.checks.sight import SightCheck
from eva_graph_training.collate import TrajectoryCollator
from eva_graph_training.dataset import kto_dataset
from eva_graph_training.errors import BatchFault, BlindRun, DataError, TrainingError
from eva_graph_training.export.row import FrameDelivery
from eva_graph_training.interleaving import interleave


class CheckedKto(SightCheck, KTOTrainer):
    pass


@pytest.fixture(scope="module")
def rows(scripted: Path, tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    out = exported("trl-kto", [scripted], tmp_path_factory.mktemp("kto") / "out")
    return kto_dataset(out / "train.parquet")


@pytest.fixture
def processor(model_folder: Path) -> ImageOnlyProcessor:
    return load_processor(model_folder)


def checked(
    rows: Dataset, model_folder: Path, processor: ImageOnlyProcessor, out: Path, **kept: Any
) -> CheckedKto:
    config = KTOConfig(
        output_dir=str(out), max_length=None, per_device_train_batch_size=4, **QUIET
    )  # fmt: skip
    return CheckedKto(
        model=load_model(model_folder), args=config, train_dataset=rows,
        processing_class=processor, data_collator=TrajectoryCollator(processor), **kept,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("sabotaged", "fault", "cause"),
    [
        (lambda t: sabotage.all_frames_one(t.processing_class), BatchFault, "replaced by one"),
        (lambda t: sabotage.blind_tower(t.model), BlindRun, "change nothing that it learns"),
    ],
    ids=["one frame", "blind tower"],
)
def test_a_sabotaged_run_stops(
    sabotaged: Callable[[CheckedKto], None],
    fault: type[TrainingError],
    cause: str,
    rows: Dataset,
    model_folder: Path,
    processor: ImageOnlyProcessor,
    tmp_path: Path,
) -> None:
    trainer = checked(rows, model_folder, processor, tmp_path)
    sabotaged(trainer)
    before = copied(trainer.model)
    with pytest.raises(fault, match=cause):
        trainer.train()
    assert trainer.state.global_step == 0
    assert not moved(trainer.model, before)


@pytest.mark.parametrize(
    "adapter",
    [None, LoraConfig(r=4, target_modules=["q_proj", "v_proj"])],
    ids=["whole model", "LoRA"],
)
def test_a_sound_run_passes(
    adapter: LoraConfig | None,
    rows: Dataset,
    model_folder: Path,
    processor: ImageOnlyProcessor,
    tmp_path: Path,
) -> None:
    trainer = checked(rows, model_folder, processor, tmp_path, peft_config=adapter)
    trainer.train()
    assert trainer.state.global_step == 1
    assert trainer.sight is not None
    assert trainer.sight.blanked.logprobs > 20 * trainer.sight.noise.logprobs


@given(
    rows=st.lists(st.tuples(st.booleans(), st.sampled_from("abcdefgh")), min_size=2, max_size=60),
    seed=st.integers(0, 3),
    batch_size=st.integers(2, 4),
)
def test_interleaved_rows_are_mixed(
    rows: list[tuple[bool, str]], seed: int, batch_size: int
) -> None:
    """Where no video holds more than half of the rows and both labels are there."""
    labels, videos = [label for label, _ in rows], [video for _, video in rows]
    if len(set(labels)) < 2 or 2 * max(map(videos.count, videos)) > len(videos):
        return
    order = interleave(labels, videos, seed=seed)
    whole = len(order) // batch_size * batch_size
    order = order[: max(whole, batch_size)]
    if len(order) % batch_size != 1 and len({labels[n] for n in order}) == 2:
        require_mixed([labels[n] for n in order], [videos[n] for n in order], batch_size=batch_size)


@pytest.mark.parametrize(
    ("labels", "videos", "batch_size", "cause"),
    [
        ([True, False], "ab", 1, "hold 2 rows or more"),
        ([True, True], "ab", 2, "all have one label"),
        ([True, False, True, False], "abcc", 2, "rows 2 to 3 are a micro-batch of one video"),
        ([True, False, True], "aba", 2, "rows 2 to 2 are a micro-batch of one video"),
        ([True] * 6 + [False] * 6, "abcdefghijkl", 2, "rows 0 to 5 are all desirable"),
        (
            [True, False] * 6 + [False] * 5,
            "abcdefghijklmnopq",
            3,
            "rows 11 to 16 are all undes",
        ),
    ],
)
def test_unmixed_rows_are_refused(
    labels: list[bool], videos: str, batch_size: int, cause: str
) -> None:
    with pytest.raises(DataError, match=cause):
        require_mixed(labels, list(videos), batch_size=batch_size)


@given(desirable=st.integers(1, 20_000), undesirable=st.integers(1, 20_000))
def test_weights_balance_the_labels(desirable: int, undesirable: int) -> None:
    """The paper's range, within which weights of 1 are kept; never is a side weighed down."""
    chosen, rejected = balanced_weights(desirable, undesirable)
    assert min(chosen, rejected) == 1
    ratio = desirable * chosen / (undesirable * rejected)
    assert 1 - 1e-9 <= ratio <= 4 / 3 + 1e-9
    if 1 <= Fraction(desirable, undesirable) <= Fraction(4, 3):
        assert chosen == rejected


def test_weights_of_the_papers_mixture() -> None:
    assert balanced_weights(6930, 4070) == (1.0, pytest.approx(1.703, abs=1e-3))
    with pytest.raises(DataError, match="one side has none"):
        balanced_weights(0, 4)


@pytest.mark.parametrize("delivery", [FrameDelivery.PATH, FrameDelivery.INLINE])
def test_rows_are_measured_without_their_pictures(
    delivery: FrameDelivery, scripted: Path, processor: ImageOnlyProcessor, tmp_path: Path
) -> None:
    out = exported("trl-kto", [scripted], tmp_path / "out", delivery=delivery)
    rows = rows_of(out / "train.parquet")
    collate = TrajectoryCollator(processor, calculate_kl=False)
    lengths = [int(collate([row])["attention_mask"].sum()) for row in rows]
    assert lengths == [row_tokens(row, processor) for row in rows], "as the collator makes them"
