"""Rows for TRL's trainers: straight from recorded runs, or from an export.

SFT rows are `{"messages": […], "images": []}` (see `export.trl_sft`), KTO rows `{"prompt",
"completion", "label", …}` (see `export.trl_kto`). No row holds pixels: image parts name the stored
files that the policy was shown.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from datasets import Dataset, load_dataset

from eva_graph.trajectory import RunStore
from eva_graph_training.errors import DataError
from eva_graph_training.export.frames import FramePlaces
from eva_graph_training.export.row import FrameDelivery, Left, Unfit
from eva_graph_training.export.trl_sft import SFT_FEATURES, TrlSft


def sft_dataset(runs: Sequence[str | Path]) -> Dataset:
    """The answered episodes of the runs, one row each.

    Raises:
        TrajectoryError: a run holds no records.
        FrameMissing: a frame that the policy saw is not in its run any more, or was changed.
    """
    rows = [row for run in runs for row in _sft_rows(RunStore(run))]
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

    The trainer takes them as they come, and its KL term sets each completion beside the prompt of
    its neighbour. So they are shuffled by `seed`, then desirable and undesirable ones alternate in
    proportion, and neighbours show different videos wherever the data has any.

    Raises:
        DataError: all rows have one label, or show one video.
    """
    rows = load_dataset("parquet", data_files=str(file), split="train")
    labels, videos = list(rows["label"]), list(rows["video_id"])
    if len(set(labels)) < 2:
        raise DataError(f"{file}: KTO needs desirable and undesirable rows, all have one label")
    if len(set(videos)) < 2:
        raise DataError(f"{file}: KTO compares rows of different videos, all show one")
    return rows.select(interleave(labels, videos, seed=seed))


def interleave(labels: Sequence[bool], videos: Sequence[str], *, seed: int) -> list[int]:
    """A permutation in which labels alternate in proportion and equal videos stand apart.

    Each step takes the label that is furthest behind its share, and of its rows the first (in
    shuffled order) whose video is not the one before; the other label, if all of its rows are.
    """
    order = list(range(len(labels)))
    random.Random(seed).shuffle(order)
    queues = {label: [i for i in order if labels[i] is label] for label in (True, False)}
    sizes = {label: len(queue) for label, queue in queues.items()}
    taken: list[int] = []
    while any(queues.values()):
        behind = sorted(
            (label for label, queue in queues.items() if queue),
            key=lambda label: (sizes[label] - len(queues[label]) + 0.5) / sizes[label],
        )
        before = videos[taken[-1]] if taken else None
        found = (_first_other(queues[label], videos, before) for label in behind)
        label, place = next(
            (
                (label, place)
                for label, place in zip(behind, found, strict=True)
                if place is not None
            ),
            (behind[0], 0),
        )
        taken.append(queues[label].pop(place))
    return taken


def _first_other(queue: Sequence[int], videos: Sequence[str], video: str | None) -> int | None:
    return next((place for place, row in enumerate(queue) if videos[row] != video), None)
