"""One row a record: as a table for people, as plain JSON for machines."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TypedDict

from rich.console import Console
from rich.table import Table
from rich.text import Text

from eva_graph.dialects.json_values import printable
from eva_graph.trajectory import Trajectory

_FILE_COLUMNS = 160


class Row(TypedDict):
    """What `eva-graph runs` tells of a record."""

    trajectory_id: str
    question_id: str | None
    created: str
    video: str
    question: str
    answer: str | None
    expected: str | None
    correct: bool | None
    stop_reason: str | None
    turns: int
    frames: int
    tokens: int | None
    """Of the last prompt."""
    labels: list[str]
    desirable: bool | None


def output_console() -> Console:
    """Where tables go: as wide as the terminal, and wide enough in a file or a pipe."""
    console = Console(highlight=False)
    if not console.is_terminal:
        console.width = _FILE_COLUMNS
    return console


def row_of(record: Trajectory) -> Row:
    """The row of a record."""
    return Row(
        trajectory_id=record.trajectory_id,
        question_id=record.question_id,
        created=record.created,
        video=record.video.path,
        question=record.question,
        answer=record.answer,
        expected=record.expected,
        correct=record.correct,
        stop_reason=record.stop_reason,
        turns=len(record.turns),
        frames=record.usage.frames,
        tokens=record.usage.last_prompt_tokens,
        labels=record.labels,
        desirable=record.desirable,
    )


def table_of(rows: Iterable[Row]) -> Table:
    """A table of rows; texts that a policy or a file wrote cannot steer the terminal."""
    table = Table(box=None, pad_edge=False, header_style="dim", expand=True)
    for name in ("id", "video"):
        table.add_column(name, no_wrap=True)
    table.add_column("question", no_wrap=True, overflow="ellipsis", ratio=1)
    for name in ("answer", "", "stop"):
        table.add_column(name, no_wrap=True)
    for name in ("turns", "frames", "tokens"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("labels", no_wrap=True)
    for row in rows:
        table.add_row(*_cells(row))
    return table


def summary_of(rows: Iterable[Row], total: int) -> str:
    """How many there are, and how many answers are right and wrong, in one line."""
    listed = list(rows)
    verdicts = [row["correct"] for row in listed]
    right, wrong = verdicts.count(True), verdicts.count(False)
    unknown = len(listed) - right - wrong
    return (
        f"{len(listed):,} of {total:,} records: {right:,} right, {wrong:,} wrong, "
        f"{unknown:,} without a reference answer"
    )


def _cells(row: Row) -> list[Text]:
    mark = {True: Text("✓", "green"), False: Text("✗", "red"), None: Text("")}[row["correct"]]
    answer = row["answer"]
    return [
        Text(row["trajectory_id"][:8]),
        plain(Path(row["video"]).name, 16),
        plain(row["question"], 200),
        Text("-", "dim") if answer is None else plain(answer, 14),
        mark,
        plain(row["stop_reason"] or "", 12),
        Text(str(row["turns"])),
        Text(str(row["frames"])),
        Text("" if row["tokens"] is None else f"{row['tokens']:,}"),
        plain(" ".join(row["labels"]), 30),
    ]


def plain(value: str, letters: int) -> Text:
    """At most so many letters on one line, none of which can steer a terminal."""
    text = printable(value, letters)
    return Text("".join(letter if letter.isprintable() else "\ufffd" for letter in text))
