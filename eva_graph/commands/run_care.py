"""What `eva-graph runs` does with runs. Results go to stdout, news and progress to stderr."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import Progress

from eva_graph.commands.run_table import output_console, row_of, summary_of, table_of
from eva_graph.errors import InvalidRequest
from eva_graph.trajectory import RecordFilter, RunStore, require_sound
from eva_graph.trajectory.garbage import collect_garbage
from eva_graph.trajectory.merge import merge_runs
from eva_graph.trajectory.violations import violation_kinds


class Care:
    """One call of the command on some runs.

    Raises `TrajectoryError`, here and in its methods, for what a run does not hold or allow.
    """

    def __init__(self, runs: Sequence[Path], *, as_json: bool) -> None:
        self._stores = [RunStore(run) for run in runs]
        self._as_json = as_json
        self._out = output_console()
        self._news = Console(stderr=True, highlight=False)
        for store in self._stores:
            store.check_exists()

    def show(self, where: RecordFilter) -> None:
        """List the records that match."""
        store = self._only()
        total = len(store)
        with self._progress("reading", total) as advance:
            rows = []
            for record in store.records():
                if where.matches(record):
                    rows.append(row_of(record))
                advance()
        notes = store.news()
        if self._as_json:
            self._print({"run": str(store.run), "total": total, "records": rows, "notes": notes})
            return
        if rows:
            self._out.print(table_of(rows))
        self._out.print(summary_of(rows, total), style="dim")
        self._note(notes)

    def check(self, where: RecordFilter, allow: list[str]) -> None:
        """Check the records that match for vision integrity."""
        store = self._only()
        with self._progress("checking", len(store)) as advance:
            checked = require_sound(
                store.records(where), store.frames, allow=violation_kinds(allow), advance=advance
            )
        self._tell({"sound_records": checked}, f"{checked:,} records are sound")
        self._note(store.news())

    def recover(self) -> None:
        """Write the records that are only in the journal."""
        recovered = self._only().recover()
        data = {
            "folded": recovered.folded,
            "unfinished": recovered.unfinished,
            "unreadable": recovered.unreadable,
            "torn": [{**asdict(line), "path": str(line.path)} for line in recovered.torn],
        }
        self._tell(data, "\n".join(recovered.lines()) or "nothing was lost")

    def tidy(self, min_age_seconds: float, *, dry_run: bool) -> None:
        """Remove frames that nothing names."""
        if not 0 <= min_age_seconds < math.inf:
            raise InvalidRequest("--min-age-minutes must be 0 or more")
        with self._progress("looking at frames", None) as advance:
            garbage = collect_garbage(
                self._only(), min_age_seconds=min_age_seconds, dry_run=dry_run, advance=advance
            )
        verb = "would remove" if dry_run else "removed"
        self._tell(
            {**asdict(garbage), "dry_run": dry_run},
            f"{verb} {garbage.frames:,} frames ({garbage.size_bytes / 1e6:.1f} MB), "
            f"{garbage.kept_frames:,} stay",
        )

    def merge(self, out: Path) -> None:
        """Add the records of all runs to another."""
        target = RunStore(out)
        with self._progress("merging", sum(map(len, self._stores))) as advance:
            merged = merge_runs(self._stores, target, advance=advance)
        missing = f", {merged.missing_frames:,} were missing" if merged.missing_frames else ""
        self._tell(
            asdict(merged),
            f"{out} holds {len(target):,} records: {merged.records:,} new, "
            f"{merged.duplicates:,} that were there twice; {merged.frames:,} frames{missing}",
        )

    def _only(self) -> RunStore:
        if len(self._stores) != 1:
            raise InvalidRequest("give one run, or --merge OUT to make one of several")
        return self._stores[0]

    @contextmanager
    def _progress(self, what: str, total: int | None) -> Iterator[Callable[[], None]]:
        quiet = not self._news.is_terminal
        with Progress(console=self._news, transient=True, disable=quiet) as progress:
            task = progress.add_task(what, total=total)
            yield lambda: progress.advance(task)

    def _tell(self, data: dict[str, Any], text: str) -> None:
        if self._as_json:
            self._print(data)
        else:
            self._out.print(text, markup=False, soft_wrap=True)

    def _print(self, data: dict[str, Any]) -> None:
        print(json.dumps(data))

    def _note(self, notes: Sequence[str]) -> None:
        for note in notes:
            self._news.print(note, style="yellow", markup=False, soft_wrap=True)
