"""What a stage reads: recorded runs, and what `eva-graph export` made of them.

A run is checked whole before any row is made of it (the vision-integrity check). Rows of exports
were checked when they were exported; here their shape is.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any, Protocol

import pyarrow.parquet
from datasets import load_dataset

from eva_graph.trajectory import RunStore
from eva_graph.trajectory.integrity import require_sound
from eva_graph_training.errors import DataError
from eva_graph_training.export.frames import FramePlaces
from eva_graph_training.export.row import Form, FrameDelivery, Left, Unfit

EXPORTED = "train.parquet"
Advance = Callable[[], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """One row that a source offers, or why one of its records gives none.

    Attributes:
        values: its columns; None where there is no row.
        reason: why there is no row.
    """

    values: Mapping[str, Any] | None = None
    reason: str = ""


class Source(Protocol):
    """Rows of one stage from one place."""

    def __len__(self) -> int:
        """Records or rows, for a progress bar."""
        ...

    def check(self, advance: Advance) -> None:
        """Raises an `EvaGraphError` where nothing of it should be trained on."""
        ...

    def rows(self) -> Iterator[Candidate]:
        """One or more for every record; raises `DataError`."""
        ...

    def news(self) -> list[str]:
        """What could not be read of it, a line each; after its rows were."""
        ...


def open_source(path: Path, form: Form) -> Source:
    """The rows of a form at a path.

    Raises:
        DataError: nothing is there that the form's consumer can read.
    """
    file = path / EXPORTED if path.is_dir() else path
    if file.suffix == ".parquet" and file.is_file():
        return ExportedRows(file, form)
    if path.is_dir() and ((path / "records").is_dir() or any(path.glob("records*.jsonl"))):
        return RecordedRun(RunStore(path), form)
    raise DataError(
        f"{path} holds neither recorded episodes nor {EXPORTED}: name a run directory, or what "
        f"`eva-graph export --to {form.name}` wrote"
    )


class RecordedRun:
    """The records of a run."""

    def __init__(self, store: RunStore, form: Form) -> None:
        self._store = store
        self._form = form

    def __len__(self) -> int:
        return len(self._store)

    def check(self, advance: Advance) -> None:
        """Raises `TrajectoryError` for a record that shows something else than was seen."""
        require_sound(self._store.records(), self._store.frames, advance=advance)

    def rows(self) -> Iterator[Candidate]:
        """The rows of every record."""
        places = FramePlaces(self._store.frames, FrameDelivery.PATH, self._store.run)
        for record in self._store.records():
            try:
                for row in self._form.rows(record, places):
                    if isinstance(row, Left):
                        yield Candidate(reason=row.described())
                    else:
                        yield Candidate(values=row.values)
            except Unfit as unfit:
                yield Candidate(reason=str(unfit))

    def news(self) -> list[str]:
        """Torn lines of the run's files, and episodes that were never written."""
        return self._store.news()


class ExportedRows:
    """The rows of a Parquet file that `eva-graph export` wrote."""

    def __init__(self, file: Path, form: Form) -> None:
        self._file = file
        (form_file,) = form.files()
        self._columns = frozenset(form_file.features or ())
        self._form = form
        self._schema()

    def __len__(self) -> int:
        return int(pyarrow.parquet.read_metadata(self._file).num_rows)

    def check(self, advance: Advance) -> None:
        """Nothing yet: rows are checked as they are read."""
        for _ in range(len(self)):
            advance()

    def rows(self) -> Iterator[Candidate]:
        """Every row, its shape checked."""
        if not len(self):
            return  # datasets 5.2 cannot stream a file of no rows
        options: dict[str, Any] = {"data_files": str(self._file), "split": "train"}
        try:
            for number, row in enumerate(load_dataset("parquet", streaming=True, **options)):
                _require_row(row, f"{self._file}, row {number}")
                yield Candidate(values={name: row[name] for name in sorted(self._columns)})
        except (OSError, pyarrow.ArrowException) as error:
            raise DataError(f"{self._file} is damaged: {error}") from None

    def news(self) -> list[str]:
        """None: a damaged file is an error."""
        return []

    def _schema(self) -> None:
        try:
            found = set(pyarrow.parquet.read_schema(self._file).names)
        except (OSError, pyarrow.ArrowException) as error:
            raise DataError(f"{self._file} is no Parquet file: {error}") from None
        if not self._columns <= found:
            missing = ", ".join(sorted(self._columns - found))
            raise DataError(
                f"{self._file} lacks the columns {missing}: this stage reads what "
                f"`eva-graph export --to {self._form.name}` writes"
            )


def _require_row(row: Mapping[str, Any], where: str) -> None:
    """Raises `DataError` where a row is not of the form that an export gives it."""
    if "label" in row and not isinstance(row["label"], bool):
        raise DataError(f"{where}: its label is neither true nor false")
    told = [row["messages"]] if "messages" in row else [row["prompt"], row["completion"]]
    if not all(isinstance(messages, list) and messages for messages in told):
        raise DataError(f"{where}: it has no messages")
    for message in chain(*told):
        parts = message.get("content") if isinstance(message, dict) else None
        if not isinstance(parts, list) or not isinstance(message.get("role"), str):
            raise DataError(f"{where}: a message is not what `eva-graph export` writes")
        for part in parts:
            kind = part.get("type") if isinstance(part, dict) else None
            if kind not in ("text", "image") or not isinstance(part.get(kind), str):
                raise DataError(f"{where}: a part of a message is neither text nor a frame's name")
