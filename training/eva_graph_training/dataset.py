"""Rows for TRL's trainers: straight from recorded runs, or from an export.

SFT rows are `{"messages": […], "images": []}` (see `export.trl_sft`), KTO rows `{"prompt",
"completion", "label", …}` (see `export.trl_kto`). No row holds pixels: image parts name the stored
files that the policy was shown.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from datasets import Dataset

from eva_graph.trajectory import RunStore
from eva_graph.trajectory.integrity import require_sound
from eva_graph_training.errors import DataError
from eva_graph_training.export.frames import FramePlaces
from eva_graph_training.export.row import FrameDelivery, Left, Unfit
from eva_graph_training.export.trl_sft import SFT_FEATURES, TrlSft
from eva_graph_training.interleaving import interleave
from eva_graph_training.parquet import read_parquet


def sft_dataset(runs: Sequence[str | Path]) -> Dataset:
    """The answered episodes of the runs, one row each.

    Every run passes the vision-integrity check first: what is trained on is what the policy saw.

    Raises:
        TrajectoryError: a run holds no records, or one that is not sound; the message names it.
    """
    stores = [RunStore(run) for run in runs]
    for store in stores:
        require_sound(store.records(), store.frames)
    rows = [row for store in stores for row in _sft_rows(store)]
    return Dataset.from_list(rows, features=SFT_FEATURES)


def _sft_rows(store: RunStore) -> Iterator[dict[str, Any]]:
    places = FramePlaces(store.frames, FrameDelivery.PATH, store.run)
    for record in store.records():
        try:
            for row in TrlSft().rows(record, places):
                if not isinstance(row, Left):
                    yield dict(row.values)
        except Unfit:
            continue  # no answer, or nothing that the policy wrote itself


def kto_dataset(file: str | Path, *, seed: int = 0) -> Dataset:
    """The rows of a `trl-kto` file in the order in which KTOTrainer should read them.

    Shuffled by `seed`; desirable and undesirable ones alternate in proportion, and neighbours show
    different videos (see `interleaving`).

    Raises:
        DataError: the file cannot be read, all rows have one label, or show one video.
    """
    rows = read_parquet(file)
    labels, videos = list(rows["label"]), list(rows["video_id"])
    if len(set(labels)) < 2:
        raise DataError(f"{file}: KTO needs desirable and undesirable rows, all have one label")
    if len(set(videos)) < 2:
        raise DataError(f"{file}: KTO compares rows of different videos, all show one")
    return rows.select(interleave(labels, videos, seed=seed))
