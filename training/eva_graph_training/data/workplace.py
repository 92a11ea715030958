"""The folder of a set: one process works there at a time, and goes on as it began.

`build.json` holds what must not change between two starts of one build; a lock keeps a second
process out (`sole_process`).
"""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from eva_graph.evaluation.questions import EvalQuestion
from eva_graph_training.errors import DataError
from eva_graph_training.sole_process import sole_process

BUILD: Final = "build.json"
RUN: Final = "run"
TRAIN: Final = "train"
CARD: Final = "README.md"


@contextmanager
def workplace(out: Path, build: Mapping[str, Any]) -> Iterator[None]:
    """Hold the folder while the block runs.

    Args:
        out: the folder, made where it is missing.
        build: what the set is made of, as JSON.

    Raises:
        DataError: another process works there, the folder holds a build of another kind or
            settings, or it cannot be written.
    """
    with sole_process(out):
        _go_on(out, dict(build))
        yield


def digest(questions: Iterable[EvalQuestion]) -> str:
    """Names what is asked: ids, texts, options and answers, in order."""
    total = hashlib.sha256()
    for one in questions:
        said = [one.question_id, one.video, one.question, one.options, one.answer]
        total.update(json.dumps(said).encode())
    return total.hexdigest()[:16]


def write_whole(path: Path, text: str) -> None:
    """A file that is there whole or not at all. Raises `DataError` where it cannot be written."""
    part = path.with_name(f".{path.name}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        part.write_text(text, encoding="utf-8")
        part.replace(path)
    except OSError as error:
        raise DataError(f"cannot write {path}: {error.strerror}") from None


def fresh_train_folder(out: Path) -> Path:
    """Where the export goes; what an earlier start of the build exported is removed.

    Raises:
        DataError: it cannot be removed.
    """
    folder = out / TRAIN
    try:
        if folder.exists():
            shutil.rmtree(folder)
    except OSError as error:
        raise DataError(f"cannot renew {folder}: {error.strerror}") from None
    return folder


def _go_on(out: Path, build: dict[str, Any]) -> None:
    path = out / BUILD
    if not path.exists():
        write_whole(path, json.dumps(build, indent=1, sort_keys=True) + "\n")
        return
    try:
        begun = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise DataError(f"cannot read {path}: {error}") from None
    if begun == json.loads(json.dumps(build)):
        return
    changed = [
        name for name in build if not isinstance(begun, dict) or begun.get(name) != build[name]
    ]
    raise DataError(
        f"{out} was begun with other settings ({', '.join(changed) or 'see build.json'}): "
        "choose another --out"
    )
