"""Live progress of an evaluation: how many, accuracy so far, errors, time left.

A terminal gets a bar; a file or a pipe a line at every tenth of the questions.
"""

from __future__ import annotations

import time
from types import TracebackType

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

from eva_graph.evaluation.tally import Tally

_LINES = 10


class EvaluationProgress:
    """Shows a tally while it grows. A context manager.

    Args:
        console: where to; never that of the results.
        tally: what is known at the start; questions done before do not count for the time left.
        total: how many questions there will be in the end.
    """

    def __init__(self, console: Console, tally: Tally, total: int) -> None:
        self._console = console
        self._tally = tally
        self._total = total
        self._first = tally.done
        self._told = tally.done * _LINES // max(1, total)
        self._began_seconds = time.monotonic()
        self._bar = Progress(
            TextColumn("questions"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[news]}"),
            TimeElapsedColumn(),
            TimeRemainingColumn(),
            console=console,
            disable=not console.is_terminal,
        )
        self._task = self._bar.add_task(
            "questions", total=total, completed=tally.done, news=self._news()
        )

    def __enter__(self) -> EvaluationProgress:
        self._bar.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._bar.stop()

    def update(self) -> None:
        """The tally has grown."""
        self._bar.update(self._task, completed=self._tally.done, news=self._news())
        share = self._tally.done * _LINES // max(1, self._total)
        if not self._console.is_terminal and share > self._told:
            self._told = share
            done = f"{self._tally.done:,} of {self._total:,} questions"
            self._console.print(f"{done}, {self._news()}{self._left()}", soft_wrap=True)

    def _news(self) -> str:
        accuracy = self._tally.accuracy
        news = "accuracy -" if accuracy is None else f"accuracy {100 * accuracy:.1f} %"
        return f"{news}, {self._tally.failed:,} errors" if self._tally.failed else news

    def _left(self) -> str:
        asked = self._tally.done - self._first
        if asked < 1 or self._tally.done >= self._total:
            return ""
        seconds = (time.monotonic() - self._began_seconds) / asked
        minutes = seconds * (self._total - self._tally.done) / 60
        return f", {minutes:.0f} min left" if minutes >= 1 else ", less than a minute left"
