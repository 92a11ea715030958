"""What one assistant message means: its outcome, its parts and its plan. Pure values.

A turn ends in exactly one `Outcome`; an answer beats a call. Headings (`Reflection:`, `Summary:`,
`Plan:`) mark parts for people and training; routing never reads them.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import Any, NotRequired, TypeAlias, TypedDict

from eva_graph.dialects.json_values import decode_at

HEADINGS = ("Reflection", "Summary", "Plan")
_HEADING = re.compile(rf"^({'|'.join(HEADINGS)}):[ \t]*", re.MULTILINE)
_ACTION = re.compile(r"<tool_call>|<answer>")
_CANDIDATE = re.compile(r"^[ \t]*\d+[.)][ \t]*(?=\{)", re.MULTILINE)
_COST = re.compile(r"\s*=\s*(\d+) visual tokens(?:;[ \t]*(.*))?")
_CHOICE = re.compile(r"^Choice:[ \t]*(\d+(?:[ \t]*,[ \t]*\d+)*)", re.MULTILINE)


class ToolCall(TypedDict):
    """One tool call as JSON; plain data, so that a checkpoint holds it and a person can edit it."""

    id: str
    tool: str
    arguments: dict[str, Any]
    error: NotRequired[str]
    """Why this call cannot run, where the policy wrote it unreadably (reference profile)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """The policy answered; `text` is the stripped content."""

    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Calls:
    """The policy wants to look; at least one call."""

    calls: tuple[ToolCall, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Malformed:
    """The policy tried to call or answer but cannot be read; `error` is told back to it."""

    error: str
    call_ids: tuple[str, ...] = ()
    """Ids that the server gave to the unreadable calls (`native` only)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Neither:
    """No call and no answer."""

    reason: str = "no_answer_no_tool_call"


@dataclass(frozen=True, slots=True, kw_only=True)
class Truncated:
    """The token limit cut the message before an answer was complete."""


Outcome: TypeAlias = Answer | Calls | Malformed | Neither | Truncated


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """A candidate look of a plan, with the cost that the policy expected."""

    tool: str
    arguments: dict[str, Any]
    estimated_visual_tokens: int
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """The plan part of a turn. What can't be parsed is kept whole and `candidates` is empty."""

    text: str = ""
    candidates: tuple[Look, ...] = ()
    chosen: tuple[int, ...] = ()
    """Indices into `candidates`, counted from 0."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TurnParts:
    """The prose of an assistant message, split at its headings."""

    reflection: str = ""
    summary: str = ""
    plan: str = ""
    unmarked: str = ""
    """Text before the first heading, or all of it where there is none; never guessed."""


def split_parts(text: str) -> TurnParts:
    """Split the prose before the first `<tool_call>` or `<answer>` at its headings."""
    action = _ACTION.search(text)
    prose = text[: action.start()] if action else text
    marks = list(_HEADING.finditer(prose))
    ends = [mark.start() for mark in marks[1:]] + [len(prose)]
    parts: dict[str, str] = {}
    for mark, end in zip(marks, ends, strict=False):  # without headings there is one end too many
        name = mark.group(1).lower()
        body = prose[mark.end() : end].strip()
        parts[name] = f"{parts[name]}\n{body}" if name in parts else body
    lead = prose[: marks[0].start()] if marks else prose
    return TurnParts(**parts, unmarked=lead.strip())


def parse_plan(text: str) -> Plan:
    """Read the numbered candidates of a plan part and its `Choice:` line."""
    candidates: list[Look] = []
    for mark in _CANDIDATE.finditer(text):
        look = _candidate(text, mark.end())
        if look is None:
            return Plan(text=text)
        candidates.append(look)
    if not candidates:
        return Plan(text=text)
    choice = _CHOICE.search(text)
    numbers = [int(n) for n in choice.group(1).split(",") if len(n) < 12] if choice else []
    chosen = tuple(n - 1 for n in numbers if 1 <= n <= len(candidates))
    return Plan(text=text, candidates=tuple(candidates), chosen=chosen)


def write_plan(candidates: tuple[Look, ...], chosen: tuple[int, ...]) -> str:
    """The text that `parse_plan` reads back, without the `Plan:` heading."""
    lines = [
        f"{number}. {write_call(look.tool, look.arguments)} = "
        f"{look.estimated_visual_tokens} visual tokens"
        + (f"; {look.reason}" if look.reason else "")
        for number, look in enumerate(candidates, start=1)
    ]
    lines.append("Choice: " + ", ".join(str(index + 1) for index in chosen))
    return "\n".join(lines)


def write_call(tool: str, arguments: dict[str, Any]) -> str:
    """One call object as the policy writes it inside `<tool_call>`."""
    return json.dumps({"tool": tool, "arguments": arguments}, ensure_ascii=False)


def _candidate(text: str, start: int) -> Look | None:
    try:
        value, end = decode_at(text, start)
    except ValueError:
        return None
    cost = _COST.match(text, end)
    if cost is None or not isinstance(value, dict):
        return None
    tool, arguments = value.get("tool"), value.get("arguments")
    if not isinstance(tool, str) or not isinstance(arguments, dict) or len(cost.group(1)) > 12:
        return None
    return Look(
        tool=tool,
        arguments=arguments,
        estimated_visual_tokens=int(cost.group(1)),
        reason=(cost.group(2) or "").strip(),
    )
