"""Reads the rows of annotation files: JSON, JSON lines, CSV, TSV, parquet, or a folder of them.

Nothing of a row is interpreted here. A file that cannot be read, or a line that is no row, is an
error that names it: rows are never skipped.
"""

from __future__ import annotations

import csv
import importlib
import io
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from eva_graph.errors import InvalidRequest, MissingExtra

SUFFIXES: Final = (".json", ".jsonl", ".csv", ".tsv", ".parquet")
_ROW_LISTS: Final = ("data", "questions", "annotations")
_MAX_FIELD_CHARACTERS: Final = 16 * 1024**2


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One row of an annotation file, as it stands there.

    Attributes:
        file: where it was read.
        index: its place in the file, from 0.
        values: its fields by name.
    """

    file: Path
    index: int
    values: Mapping[str, Any]

    def fault(self, what: str) -> InvalidRequest:
        """The error of a row that no question can be made of."""
        return InvalidRequest(f"{self.file}: row {self.index + 1}: {what}")


def read_rows(annotations: Path) -> list[Row]:
    """Every row of a file, or of the annotation files in a folder, by file name.

    Raises:
        InvalidRequest: no such file, none with rows, or one that cannot be read; one line.
        MissingExtra: a parquet file, and pyarrow is not installed.
    """
    if annotations.is_dir():
        files = sorted(path for path in annotations.iterdir() if path.suffix.lower() in SUFFIXES)
    else:
        files = [annotations]
    rows = [row for file in files for row in _rows_of(file)]
    if not rows:
        raise InvalidRequest(f"{annotations}: no questions there, give {', '.join(SUFFIXES)}")
    return rows


def _rows_of(file: Path) -> Iterator[Row]:
    try:
        values = list(_values_of(file))
    except (OSError, UnicodeDecodeError, RecursionError, csv.Error) as error:
        raise InvalidRequest(f"cannot read {file}: {error}") from None
    for index, value in enumerate(values):
        row = Row(file=file, index=index, values=value if isinstance(value, dict) else {})
        if not row.values:
            raise row.fault("not an object with fields")
        yield row


def _values_of(file: Path) -> Iterator[Any]:
    suffix = file.suffix.lower()
    if suffix == ".parquet":
        return _parquet_values(file)
    text = file.read_text(encoding="utf-8-sig")
    if suffix in (".csv", ".tsv"):
        return _table_values(text, "\t" if suffix == ".tsv" else ",")
    if suffix in (".json", ".jsonl"):
        return _json_values(file, text)
    raise InvalidRequest(f"{file}: not an annotation file, give {', '.join(SUFFIXES)}")


def _json_values(file: Path, text: str) -> Iterator[Any]:
    """Rows of one JSON list (or of an object that holds one), else of one document a line."""
    try:
        whole = json.loads(text)
    except ValueError:
        yield from _line_values(file, text)
        return
    if isinstance(whole, dict):
        lists = [whole[name] for name in _ROW_LISTS if isinstance(whole.get(name), list)]
        whole = lists[0] if lists and "video_id" not in whole and "key" not in whole else [whole]
    if not isinstance(whole, list):
        raise InvalidRequest(f"{file}: holds no list of rows")
    yield from whole


def _line_values(file: Path, text: str) -> Iterator[Any]:
    # Not splitlines(): JSON strings may hold U+2028 and its like.
    for number, line in enumerate(text.split("\n"), start=1):
        if not line.strip():
            continue
        try:
            yield json.loads(line)
        except ValueError as error:
            raise InvalidRequest(f"{file}: line {number} is not JSON: {error}") from None


def _table_values(text: str, delimiter: str) -> Iterator[dict[str, Any]]:
    limit = csv.field_size_limit(_MAX_FIELD_CHARACTERS)
    try:
        lines = io.StringIO(text, newline="")
        for row in csv.DictReader(lines, delimiter=delimiter, strict=True):
            yield {name: value for name, value in row.items() if name is not None}
    finally:
        csv.field_size_limit(limit)


def _parquet_values(file: Path) -> Iterator[Any]:
    try:
        pyarrow = importlib.import_module("pyarrow")
        parquet = importlib.import_module("pyarrow.parquet")
    except ImportError:
        raise MissingExtra(
            f"{file}: parquet needs pyarrow: pip install pyarrow, or give the rows as JSON"
        ) from None
    try:
        table = parquet.read_table(file)
    except pyarrow.ArrowException as error:
        raise InvalidRequest(f"cannot read {file}: {error}") from None
    yield from table.to_pylist()
