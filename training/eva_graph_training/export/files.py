"""Files of rows, written one row at a time: JSON lines, or Parquet that carries its column types.

Equal rows give equal bytes. Nothing but whole files is ever seen at the final path: they are
written into a folder beside it, which takes its name when all is well.
"""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol

from eva_graph.errors import InvalidRequest
from eva_graph_training.errors import DataError
from eva_graph_training.export.row import FormFile

_ROWS_IN_MEMORY = 64


class RowFile(Protocol):
    """Where rows of one kind go."""

    def write(self, values: Mapping[str, Any]) -> None:
        """Add a row."""
        ...

    def close(self) -> None:
        """Finish the file."""
        ...


class _JsonLines:
    def __init__(self, path: Path) -> None:
        self._file = path.open("w", encoding="utf-8", newline="\n")

    def write(self, values: Mapping[str, Any]) -> None:
        self._file.write(json.dumps(values, ensure_ascii=False, allow_nan=False) + "\n")

    def close(self) -> None:
        self._file.close()


class _Parquet:
    def __init__(self, path: Path, features: Any) -> None:
        from datasets.arrow_writer import ParquetWriter

        self._writer = ParquetWriter(
            path=str(path), features=features, writer_batch_size=_ROWS_IN_MEMORY
        )

    def write(self, values: Mapping[str, Any]) -> None:
        self._writer.write(dict(values))

    def close(self) -> None:
        self._writer.finalize()


def open_rows(folder: Path, side: str, form_file: FormFile) -> RowFile:
    """Begin the file of one side of the split."""
    path = folder / file_name(side, form_file)
    if form_file.kind == "jsonl":
        return _JsonLines(path)
    return _Parquet(path, form_file.features)


def file_name(side: str, form_file: FormFile) -> str:
    """`train.jsonl`, `validation.rollouts.parquet`, …"""
    return f"{side}{form_file.part}.{form_file.kind}"


@contextmanager
def new_folder(out: Path) -> Iterator[Path]:
    """A folder that becomes `out` when the block ends well, and vanishes when it does not.

    Raises:
        InvalidRequest: `out` is a file, or holds something.
        DataError: it cannot be written.
    """
    if out.exists() and not (out.is_dir() and not any(out.iterdir())):
        raise InvalidRequest(f"{out} exists and is not empty: choose another --out, or remove it")
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        folder = Path(tempfile.mkdtemp(dir=out.parent, prefix=f".{out.name}."))
    except OSError as error:
        raise DataError(f"cannot write beside {out}: {error.strerror}") from None
    try:
        yield folder
        folder.chmod(0o755)
        folder.replace(out)
    except OSError as error:
        raise DataError(f"cannot write {out}: {error}") from None
    finally:
        shutil.rmtree(folder, ignore_errors=True)
