"""What the taxonomy, and a judge where there is one, say of episodes; the judge is asked once each.

An answer is right from the recipe's value on, so an open one in other words counts as what it is.
"""

from __future__ import annotations

from pathlib import Path

from eva_graph.trajectory import RunStore, Trajectory
from eva_graph_training.data.acceptance import label_as_scored
from eva_graph_training.data.ledger import Ledger
from eva_graph_training.data.resampling import value_of
from eva_graph_training.labels import Judge, Labelled
from eva_graph_training.labels.labelling import UNSUPPORTED


class KtoLabels:
    """Labels records of a run. Safe for threads.

    Args:
        path: file that keeps the judge's verdicts.
        store: the run that holds the records' frames.
        judge: asked about answered episodes; None: rules alone.
        threshold: from which value an open answer counts as right.
    """

    def __init__(
        self, path: Path, store: RunStore, *, judge: Judge | None, threshold: float
    ) -> None:
        self._ledger = Ledger(path)
        self._store = store
        self._judge = judge
        self._threshold = threshold
        self._verdicts: dict[str, bool | None] = {
            row["trajectory_id"]: row["suffices"] for row in self._ledger.rows()
        }

    def label(self, record: Trajectory) -> Labelled:
        """Labels and decision, by rule and by what the judge says or said.

        Raises:
            PolicyError: the judge failed.
            FrameMissing: the judge was to see a frame that is gone.
            DataError: its verdict cannot be written.
        """
        return label_as_scored(
            record,
            right=value_of(record) >= self._threshold,
            evidence_suffices=self._suffices(record),
        )

    def by_rule(self, record: Trajectory) -> Labelled:
        """Labels and decision without asking the judge."""
        return label_as_scored(record, right=value_of(record) >= self._threshold)

    def _suffices(self, record: Trajectory) -> bool | None:
        if record.answer is None:
            return None
        name = record.trajectory_id
        if self._judge is not None and name not in self._verdicts:
            suffices = self._judge.suffices(record, self._store.frames)
            self._ledger.append({"trajectory_id": name, "suffices": suffices})
            self._verdicts[name] = suffices
        # What a judge of an earlier labelling said stays said, as `label_run` has it.
        earlier = False if UNSUPPORTED in record.labels else None
        return self._verdicts.get(name, earlier)
