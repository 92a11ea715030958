"""The rows of a stage: checked, measured, counted, and kept in one file that all processes map.

A row that is too long is left out whole and counted; none is cut. The file's digest stands in
`stage.json`, so that training goes on with exactly the rows that it began with.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from datasets.arrow_writer import ArrowWriter
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

from eva_graph.commands.counted import counted
from eva_graph.policy.processor import ImageOnlyProcessor, load_processor
from eva_graph_training.checks.lengths import row_tokens
from eva_graph_training.errors import DataError
from eva_graph_training.export.row import Form
from eva_graph_training.export.trl_kto import NOT_LABELLED
from eva_graph_training.stages.sources import Source, open_source

_REASONS_SHOWN = 3


@dataclass(slots=True, kw_only=True)
class RowCounts:
    """What became of what the sources hold.

    Attributes:
        rows: taken.
        left: left out, by reason.
        digest: hash of all rows in their order.
    """

    rows: int = 0
    left: Counter[str] = field(default_factory=Counter)
    digest: str = ""

    def to_json(self) -> dict[str, Any]:
        """For `stage.json`."""
        return {"rows": self.rows, "left_out": dict(self.left), "digest": self.digest}

    def lines(self) -> list[str]:
        """For a person."""
        told = [counted(self.rows, "row")]
        return told + [f"left out {n}: {reason}" for reason, n in self.left.most_common()]


class StageRows:
    """The rows that one form makes of a stage's sources.

    Raises (when made):
        DataError: no source is named, or one holds nothing that the form can use.
    """

    def __init__(self, paths: Sequence[Path], form: Form, console: Console) -> None:
        if not paths:
            raise DataError(
                "no data: name run directories with --set 'runs=[…]', or the stage's `data`"
            )
        self._paths = paths
        self._form = form
        self._console = console
        self._sources: list[Source] = [open_source(path, form) for path in paths]

    def check(self) -> None:
        """The vision-integrity check of every run. Raises `TrajectoryError`."""
        with self._progress("checking frames") as advance:
            for source in self._sources:
                source.check(advance)

    def write(self, file: Path, model: Path, max_tokens: int | None) -> RowCounts:
        """Write the rows as an Arrow file.

        Args:
            file: to write; replaced.
            model: folder whose processor counts tokens.
            max_tokens: longest row; None: any.

        Raises:
            DataError: nothing is left, or a row cannot be read.
            InvalidRequest: `model` holds no supported model.
        """
        counts, digest = RowCounts(), hashlib.sha256()
        file.parent.mkdir(parents=True, exist_ok=True)
        (form_file,) = self._form.files()
        with ArrowWriter(path=str(file), features=form_file.features) as writer:
            for values in self._fitting(load_processor(model), max_tokens, counts):
                writer.write(dict(values))
                digest.update(json.dumps(values, sort_keys=True).encode())
            if not counts.rows:
                raise DataError(self._nothing(counts))
            writer.finalize()
        counts.digest = digest.hexdigest()
        return counts

    def _fitting(
        self, processor: ImageOnlyProcessor, max_tokens: int | None, counts: RowCounts
    ) -> Iterator[Mapping[str, Any]]:
        with self._progress("making rows") as advance:
            for source in self._sources:
                for candidate in source.rows():
                    advance()
                    if candidate.values is None:
                        counts.left[candidate.reason] += 1
                    elif max_tokens and row_tokens(candidate.values, processor) > max_tokens:
                        counts.left[f"longer than {max_tokens} tokens"] += 1
                    else:
                        counts.rows += 1
                        yield candidate.values
                for line in source.news():
                    self._console.print(line, style="yellow", markup=False, soft_wrap=True)

    @contextmanager
    def _progress(self, title: str) -> Iterator[Callable[[], None]]:
        columns = (TextColumn(title), BarColumn(), MofNCompleteColumn())
        hidden = self._console.quiet or not self._console.is_terminal
        with Progress(*columns, console=self._console, transient=True, disable=hidden) as progress:
            task = progress.add_task(title, total=sum(map(len, self._sources)))
            yield lambda: progress.advance(task)

    def _nothing(self, counts: RowCounts) -> str:
        where = ", ".join(map(str, self._paths))
        if set(counts.left) == {NOT_LABELLED}:
            return f"no episode of {where} is labelled for KTO: run `eva-graph label {where}` first"
        shown = "; ".join(f"{why}: {n}" for why, n in counts.left.most_common(_REASONS_SHOWN))
        return f"nothing to train on in {where} ({shown or 'no episodes'})"
