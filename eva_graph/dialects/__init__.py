"""How a turn is written and read: `eva` (profiles corrected and reference) and `native`."""

from __future__ import annotations

from eva_graph.dialects.base import CallResult, Closing, Dialect, PreparedCall, Question
from eva_graph.dialects.eva import EvaDialect
from eva_graph.dialects.native import NativeDialect
from eva_graph.dialects.reference import ReferenceDialect
from eva_graph.dialects.turn import (
    Answer,
    Calls,
    Look,
    Malformed,
    Neither,
    Outcome,
    Plan,
    ToolCall,
    Truncated,
    TurnParts,
)
from eva_graph.errors import InvalidRequest


def get_dialect(
    dialect: str | Dialect = "eva", *, profile: str = "corrected", instructions: bool = False
) -> Dialect:
    """The dialect of a name (`eva`, `native`), or the given object itself.

    Raises:
        InvalidRequest: unknown name or profile, or a combination that does not exist.
    """
    if not isinstance(dialect, str):
        return dialect
    match dialect, profile:
        case "eva", "corrected":
            return EvaDialect(instructions=instructions)
        case "eva", "reference" if not instructions:
            return ReferenceDialect()
        case "native", "corrected":
            return NativeDialect()
    raise InvalidRequest(
        f"there is no dialect {dialect!r} with profile {profile!r}"
        f"{' and instructions' if instructions else ''}: choose eva (corrected or reference; "
        "instructions only with corrected) or native (corrected)"
    )


__all__ = [
    "Answer",
    "CallResult",
    "Calls",
    "Closing",
    "Dialect",
    "EvaDialect",
    "Look",
    "Malformed",
    "NativeDialect",
    "Neither",
    "Outcome",
    "Plan",
    "PreparedCall",
    "Question",
    "ReferenceDialect",
    "ToolCall",
    "Truncated",
    "TurnParts",
    "get_dialect",
]
