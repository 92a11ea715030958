"""What KTO asks of its rows: both labels mixed, different videos side by side, equal weight."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby

from eva_graph_training.errors import DataError


def require_mixed(labels: Sequence[bool], videos: Sequence[str], *, batch_size: int) -> None:
    """Check the order in which KTOTrainer will read its rows (it reads them as they come).

    Args:
        labels: of each row, in that order.
        videos: of each row, by name.
        batch_size: rows in a micro-batch, 2 or more: the KL term sets completions beside the
            prompts of other rows.

    Raises:
        DataError: a micro-batch holds one row or one video alone, or the labels are not
            interleaved; the message names the rows.
    """
    if batch_size < 2:
        raise DataError("KTO's micro-batches hold 2 rows or more: raise the batch size")
    if len(set(labels)) < 2:
        raise DataError("KTO needs desirable and undesirable rows, all have one label")
    for start in range(0, len(videos), batch_size):
        if len(set(videos[start : start + batch_size])) < 2:
            last = min(start + batch_size, len(videos)) - 1
            raise DataError(
                f"rows {start} to {last} are a micro-batch of one video: KTO sets videos side by "
                "side, so record episodes of more videos, or lower per_device_batch"
            )
    _check_runs(labels)


def balanced_weights(desirable: int, undesirable: int) -> tuple[float, float]:
    """`desirable_weight` and `undesirable_weight` that give both sides equal weight.

    The KTO paper (arXiv 2402.01306, equation 8) asks for a ratio of weighted desirable to weighted
    undesirable rows between 1 and 4/3; TRL prints that hint on its text path alone. Weights of 1
    that are within it stay; else the rarer side's is raised until the ratio is 1.

    Raises:
        DataError: a side is empty.
    """
    if desirable < 1 or undesirable < 1:
        raise DataError("KTO needs desirable and undesirable rows, one side has none")
    if 3 * undesirable <= 3 * desirable <= 4 * undesirable:
        return 1.0, 1.0
    if desirable > undesirable:
        return 1.0, desirable / undesirable
    return undesirable / desirable, 1.0


def _check_runs(labels: Sequence[bool]) -> None:
    """No label may come more often in a row than twice its share allows, rounded up."""
    desirable = sum(labels)
    counts = {True: desirable, False: len(labels) - desirable}
    start = 0
    for label, run in groupby(labels):
        length = len(list(run))
        if length > 2 * -(-counts[label] // counts[not label]) + 1:
            raise DataError(
                f"rows {start} to {start + length - 1} are all "
                f"{'desirable' if label else 'undesirable'}: order the rows with kto_dataset"
            )
        start += length
