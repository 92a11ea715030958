"""`eva-graph runs`: list and filter recorded episodes; check, recover, tidy and merge runs."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

import typer

from eva_graph.commands.filter_options import (
    Labels,
    Many,
    MaxTurns,
    MinTurns,
    Right,
    Since,
    StopReasons,
    Tools,
    Until,
)
from eva_graph.commands.stopping import if_stopped
from eva_graph.errors import InvalidRequest


def runs(
    run: Annotated[list[Path], typer.Argument(help="Run directory; several for --merge.")],
    right: Right = None,
    stop_reason: StopReasons = None,
    tool: Tools = None,
    label: Labels = None,
    min_turns: MinTurns = None,
    max_turns: MaxTurns = None,
    min_tokens: Annotated[int | None, typer.Option(help="Least tokens of the last prompt.")] = None,
    max_tokens: Annotated[int | None, typer.Option(help="Most tokens of the last prompt.")] = None,
    since: Since = None,
    until: Until = None,
    check: Annotated[
        bool, typer.Option("--check", help="Check that frames, image places and labels agree.")
    ] = False,
    allow: Annotated[Many, typer.Option(help="With --check: a violation to let pass.")] = None,
    recover: Annotated[
        bool, typer.Option("--recover", help="Write what is finished and only in the journal.")
    ] = False,
    gc: Annotated[bool, typer.Option("--gc", help="Remove frames that nothing names.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="With --gc: only count.")] = False,
    min_age_minutes: Annotated[float, typer.Option(help="With --gc: younger ones stay.")] = 60.0,
    merge: Annotated[Path | None, typer.Option(help="Add all records to this run.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """List the episodes of a run, or check, recover, tidy or merge runs.

    eva-graph runs runs/a --wrong --stop-reason forced --max-turns 3
    """
    if_stopped("give the same command again")
    from eva_graph.commands.run_care import Care
    from eva_graph.trajectory import RecordFilter

    where = RecordFilter(
        correct=right,
        stop_reasons=frozenset(stop_reason or ()),
        tools=frozenset(tool or ()),
        labels=frozenset(label or ()),
        min_turns=min_turns,
        max_turns=max_turns,
        min_tokens=min_tokens,
        max_tokens=max_tokens,
        since=since,
        until=until,
    )
    _check_options(
        {"--merge": merge is not None, "--recover": recover, "--gc": gc, "--check": check},
        filtered=where != RecordFilter(),
        useless={
            "--dry-run needs --gc": dry_run and not gc,
            "--allow needs --check": bool(allow and not check),
        },
    )
    care = Care(run, as_json=as_json)
    if merge is not None:
        care.merge(merge)
    elif recover:
        care.recover()
    elif gc:
        care.tidy(min_age_minutes * 60, dry_run=dry_run)
    elif check:
        care.check(where, allow or [])
    else:
        care.show(where)


def _check_options(
    actions: Mapping[str, bool], *, filtered: bool, useless: Mapping[str, bool]
) -> None:
    """Refuse what would be ignored. Raises `InvalidRequest`."""
    chosen = [name for name, given in actions.items() if given]
    if len(chosen) > 1:
        raise InvalidRequest(f"{' and '.join(chosen)} cannot go together: give one of them")
    if filtered and chosen and chosen != ["--check"]:
        raise InvalidRequest(f"{chosen[0]} takes the whole run: leave the filters out")
    for complaint, holds in useless.items():
        if holds:
            raise InvalidRequest(complaint)
