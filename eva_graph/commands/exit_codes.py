"""What a command's exit code means; the same for all of them (docs/command_line.md)."""

from __future__ import annotations

from enum import IntEnum

from eva_graph.errors import EvaGraphError, InvalidRequest


class ExitCode(IntEnum):
    """How a command ended."""

    DONE = 0
    """It did what was asked. `eval` and `compare` also where the gate calls a run invalid: that is
    a finding, in the report."""
    FAILED = 1
    """Something that it was given cannot be used, or the work failed; `ask` and `demo` also without
    an answer, `doctor` also where something is broken."""
    USAGE = 2
    """The command line itself is at fault: nothing was read or begun."""
    STOPPED = 130
    """Ctrl-C; what is finished is kept."""


class WrongUsage(InvalidRequest):
    """Options that do not go together, or a value that no run could take."""


def exit_code_of(error: EvaGraphError) -> ExitCode:
    """The code for an error that ends a command."""
    return ExitCode.USAGE if isinstance(error, WrongUsage) else ExitCode.FAILED
