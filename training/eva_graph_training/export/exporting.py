"""Runs in, a folder of rows out: filter, check, shape, measure, split, write, and count it all.

Records pass through one at a time. Before a record's rows are written, all that it shows is
checked: frames referenced, placeholders and grids agree and every frame is the one that the policy
saw. A violation names the record and stops the export, and nothing is left at `out`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

from eva_graph.errors import InvalidRequest, TrajectoryError
from eva_graph.trajectory import RunStore, Trajectory
from eva_graph.trajectory.integrity import IntegrityCheck
from eva_graph.trajectory.versions import installed_versions
from eva_graph.trajectory.violations import ViolationKind
from eva_graph_training.errors import DataError
from eva_graph_training.export.card import Provenance, write_card
from eva_graph_training.export.counts import ExportCounts
from eva_graph_training.export.files import RowFile, file_name, new_folder, open_rows
from eva_graph_training.export.frames import FramePlaces
from eva_graph_training.export.lengths import TokenCounter
from eva_graph_training.export.row import Form, FrameDelivery, Left, Row, Unfit
from eva_graph_training.export.selection import SIDES, Selection, Split, duplicate_key

CARD = "README.md"


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportRequest:
    """What is exported and how.

    Attributes:
        runs: run directories, in the order in which they are read.
        form: the consumer's layout.
        out: folder to write; it must not exist, or be empty.
        delivery: how rows name frames; None takes the form's usual way.
        max_tokens: longest row; needs `processor`.
        processor: model folder whose tokenizer and image processor measure rows.
        deduplicate: leave out episodes that repeat the same text on the same question.
        allow: findings of the vision-integrity check that do not stop the export.

    Raises:
        InvalidRequest: the settings contradict one another.
    """

    runs: Sequence[Path]
    form: Form
    out: Path
    selection: Selection = field(default_factory=Selection)
    split: Split = field(default_factory=Split)
    delivery: FrameDelivery | None = None
    max_tokens: int | None = None
    processor: Path | None = None
    deduplicate: bool = False
    allow: frozenset[ViolationKind] = frozenset()

    def __post_init__(self) -> None:
        if not self.runs:
            raise InvalidRequest("name at least one run directory")
        if len({run.resolve() for run in self.runs}) < len(self.runs):
            raise InvalidRequest("a run is named twice: its episodes would be exported twice")
        if self.max_tokens is not None and self.processor is None:
            raise InvalidRequest("--max-tokens needs --processor, the model folder that counts")
        if self.delivery is not None and self.delivery not in self.form.deliveries:
            allowed = " or ".join(self.form.deliveries)
            raise InvalidRequest(f"--frames must be {allowed} for {self.form.name}")

    @property
    def chosen_delivery(self) -> FrameDelivery:
        """How rows name frames."""
        return self.delivery or self.form.deliveries[0]


def export(request: ExportRequest, advance: Callable[[], None] = lambda: None) -> ExportCounts:
    """Write the export; `advance` is called once for every record read.

    Raises:
        InvalidRequest: `out` is in the way, or the processor's folder holds none.
        TrajectoryError: a run or a record cannot be read, or is not sound.
        DataError, StoreError: nothing is left to write, or it cannot be written.
    """
    stores = [RunStore(run) for run in request.runs]
    for store in stores:
        store.check_exists()
    with new_folder(request.out) as folder:
        work = _Work(request, folder)
        with work.files:
            for store in stores:
                work.add_run(store, advance)
        if not work.counts.exported:
            raise DataError(_nothing(work.counts))
        work.finish(stores)
    return work.counts


def _nothing(counts: ExportCounts) -> str:
    reasons = "; ".join(f"{reason}: {number}" for reason, number in counts.dropped.most_common(3))
    return f"nothing to export of {counts.records} episodes ({reasons or 'the runs are empty'})"


class _Work:
    """An export under way."""

    def __init__(self, request: ExportRequest, folder: Path) -> None:
        self.counts = ExportCounts()
        self.files = ExitStack()
        self._request = request
        self._folder = folder
        self._counter = None if request.processor is None else TokenCounter(request.processor)
        self._seen: set[bytes] = set()
        self._keys: set[tuple[str, str]] = set()
        self._open: dict[str, RowFile] = {}

    def add_run(self, store: RunStore, advance: Callable[[], None]) -> None:
        """All records of a run."""
        places = FramePlaces(store.frames, self._request.chosen_delivery, self._folder)
        check = IntegrityCheck(store.frames, allow=self._request.allow)
        for record in store.records():
            self.counts.records += 1
            reason = self._refusal(record)
            if reason is None:
                reason = self._add(record, check, places)
            if reason is not None:
                self.counts.dropped[reason] += 1
            advance()

    def finish(self, stores: Sequence[RunStore]) -> None:
        """What stands beside the rows."""
        request = self._request
        sides = [side for side in SIDES if any(name.startswith(side) for name in self.counts.rows)]
        companions = {
            **request.form.companions(sides),
            CARD: write_card(
                request.form,
                self.counts,
                Provenance(
                    runs=[(store.run.resolve().name, len(store)) for store in stores],
                    selection=request.selection,
                    split=request.split,
                    delivery=request.chosen_delivery,
                    max_tokens=request.max_tokens,
                    deduplicated=request.deduplicate,
                    allowed=sorted(request.allow),
                    software=installed_versions(),
                ),
            ),
        }
        for name, text in companions.items():
            (self._folder / name).write_text(text, encoding="utf-8")

    def _refusal(self, record: Trajectory) -> str | None:
        reason = self._request.selection.refusal(record)
        if reason is None and self._request.deduplicate:
            key = duplicate_key(record)
            if key in self._seen:
                return "duplicate"
            self._seen.add(key)
        return reason

    def _add(self, record: Trajectory, check: IntegrityCheck, places: FramePlaces) -> str | None:
        """Write the record's rows; why it gave none, otherwise."""
        side = self._request.split.side(record.video.video_id)
        violations = check.violations(record)
        if violations:
            raise TrajectoryError(f"vision-integrity check: {violations[0]}")
        try:
            rows = list(self._rows(record, places))
        except Unfit as unfit:
            return str(unfit)
        written = [row for row in rows if isinstance(row, Row)]
        for row in written:
            self._write(row, side)
        left = [row for row in rows if isinstance(row, Left)]
        if not written:
            return left[0].reason if left else "nothing new"
        self.counts.left_out.update(each.described() for each in left)
        self.counts.add(record, side, self._counter)
        return None

    def _rows(self, record: Trajectory, places: FramePlaces) -> Iterator[Row | Left]:
        limit = self._request.max_tokens
        for row in self._request.form.rows(record, places):
            if isinstance(row, Left):
                yield row
            elif limit is not None and self._tokens(row) > limit:
                yield Left(part=row.part, reason=f"longer than {limit} tokens")
            elif row.key is None or (row.part, row.key) not in self._keys:
                yield row

    def _tokens(self, row: Row) -> int:
        if row.tokens is not None or self._counter is None:
            return row.tokens or 0
        return self._counter.count(row.conversation)

    def _write(self, row: Row, side: str) -> None:
        if row.key is not None:
            self._keys.add((row.part, row.key))
        form_file = next(each for each in self._request.form.files() if each.part == row.part)
        name = file_name(side, form_file)
        if name not in self._open:
            self._open[name] = open_rows(self._folder, side, form_file)
            self.files.callback(self._open[name].close)
        self._open[name].write(row.values)
        self.counts.rows[name] += 1
