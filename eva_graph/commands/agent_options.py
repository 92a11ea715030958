"""The options that say which policy answers and how it is asked: one wording for all commands.

Each is the type of a command's parameter.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, TypeAlias

import typer


class ProfileName(StrEnum):
    """Whose rules hold."""

    CORRECTED = "corrected"
    REFERENCE = "reference"


class CallsName(StrEnum):
    """Where a turn's text comes from."""

    TURN = "turn"
    PHASE = "phase"


PolicySpec: TypeAlias = Annotated[
    str | None, typer.Option(help="Server URL or model folder; the embedded nano if absent.")
]
ModelName: TypeAlias = Annotated[str | None, typer.Option(help="Model name at the server.")]
Profile: TypeAlias = Annotated[
    ProfileName,
    typer.Option(help="reference: ask, look and score as the released harness does."),
]
Instructions: TypeAlias = Annotated[
    bool, typer.Option(help="Teach a general model the format in the system text.")
]
ToolNames: TypeAlias = Annotated[
    list[str] | None, typer.Option("--tool", help="A tool to offer; give it once for each.")
]
Calls: TypeAlias = Annotated[
    CallsName, typer.Option(help="One policy call a turn, or one for each of its phases.")
]
MaxTurns: TypeAlias = Annotated[
    int, typer.Option(min=1, help="Assistant turns, the answer included.")
]
LookBudget: TypeAlias = Annotated[int, typer.Option(min=1, help="Visual tokens of one call.")]
EpisodeVisualBudget: TypeAlias = Annotated[
    int | None,
    typer.Option(min=1, help="Visual tokens of a whole question; spent, it must answer."),
]
Json: TypeAlias = Annotated[bool, typer.Option("--json", help="Print one JSON object on stdout.")]
