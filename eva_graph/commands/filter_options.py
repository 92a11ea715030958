"""The options by which commands choose records: one wording for all of them.

Each is the type of a command's parameter; their values make a `RecordFilter`.
"""

from __future__ import annotations

from typing import Annotated, TypeAlias

import typer

Many: TypeAlias = list[str] | None

Right: TypeAlias = Annotated[
    bool | None, typer.Option("--right/--wrong", help="Only right answers, or only wrong.")
]
StopReasons: TypeAlias = Annotated[Many, typer.Option(help="Stop reason; once for each.")]
Tools: TypeAlias = Annotated[Many, typer.Option(help="Tool that was called; once for each.")]
Labels: TypeAlias = Annotated[Many, typer.Option(help="Label that was given; once for each.")]
MinTurns: TypeAlias = Annotated[int | None, typer.Option(help="Least assistant turns.")]
MaxTurns: TypeAlias = Annotated[int | None, typer.Option(help="Most assistant turns.")]
Since: TypeAlias = Annotated[str | None, typer.Option(help="Began then or later: 2026-03-01.")]
Until: TypeAlias = Annotated[str | None, typer.Option(help="Began then or earlier: 2026-03.")]
