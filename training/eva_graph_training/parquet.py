"""Exported Parquet files, read whole."""

from __future__ import annotations

from pathlib import Path

import pyarrow
from datasets import Dataset, load_dataset
from datasets.exceptions import DatasetsError

from eva_graph_training.errors import DataError


def read_parquet(file: str | Path) -> Dataset:
    """The rows of a Parquet file. Raises `DataError` where it is missing or damaged."""
    try:
        return load_dataset("parquet", data_files=str(file), split="train")
    except (OSError, pyarrow.ArrowException, DatasetsError) as error:
        cause = error.__cause__ or error
        raise DataError(f"{file} cannot be read: {' '.join(str(cause).split())}") from None
