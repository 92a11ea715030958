"""How near a written call comes to the logged one: the reward of `pivot` rows, no tool is run.

0 for a turn that does not call a tool readably. Else the mean over the calls, matched best first:

- 0.1 for being readable,
- 0.2 for the same tool (without it, nothing more),
- 0.7 shared out over the arguments that either call has: the time range by intersection over union
  (instants are widened to one second), weight 5; `nframes` and `resize` by the smaller over the
  larger, weight 1 each; `box` by intersection over union, weight 3; others by equality, weight 1.

A call too many or too few counts as 0 in the mean, so that asking for everything does not pay.
This file imports nothing of the trainers: verl loads it by its path, for `compute_score`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from eva_graph.dialects import Calls, EvaDialect
from eva_graph_tools.timecode import parse_time

READABLE, SAME_TOOL, ARGUMENTS = 0.1, 0.2, 0.7
INSTANT_SECONDS = 1.0
_TIMES = ("time", "start_time", "end_time")
_RANGE_WEIGHT, _BOX_WEIGHT, _OTHER_WEIGHT = 5.0, 3.0, 1.0
_MAX_CALLS = 16

Call = Mapping[str, Any]


def pivot_reward(completions: Sequence[Any], target: Sequence[str], **_: Any) -> list[float]:
    """TRL's reward function for `pivot` rows: one score in [0, 1] for each completion.

    Args:
        completions: what the policy wrote, as text or as a list of messages.
        target: the rows' `target` column.
    """
    return [
        pivot_score(_text(completion), json.loads(wanted))
        for completion, wanted in zip(completions, target, strict=True)
    ]


def compute_score(
    data_source: str, solution_str: str, ground_truth: str, extra_info: Any = None, **_: Any
) -> float:
    """verl's `custom_reward_function` for rows whose `data_source` is `eva_graph/turn`."""
    return pivot_score(solution_str, json.loads(ground_truth))


def pivot_score(text: str, target: Sequence[Call]) -> float:
    """Score of a turn in [0, 1] against the logged calls, `[{"tool", "arguments"}, …]`."""
    outcome = EvaDialect().read(text, truncated=False)
    if not isinstance(outcome, Calls) or not target:
        return 0.0
    written = outcome.calls[:_MAX_CALLS]
    wanted = list(target)[:_MAX_CALLS]
    scores = sorted(
        (
            (call_score(call, logged), -i, -j)
            for i, call in enumerate(written)
            for j, logged in enumerate(wanted)
        ),
        reverse=True,
    )
    used: set[tuple[str, int]] = set()
    total = 0.0
    for score, i, j in scores:
        if used.isdisjoint({("written", i), ("wanted", j)}):
            used |= {("written", i), ("wanted", j)}
            total += score
    return total / max(len(outcome.calls), len(target))


def call_score(written: Call, logged: Call) -> float:
    """Score of one readable call in [0.1, 1]."""
    if written["tool"] != logged["tool"]:
        return READABLE
    mine, theirs = written["arguments"], logged["arguments"]
    parts: list[tuple[float, float]] = []
    if any(name in theirs or name in mine for name in _TIMES):
        parts.append((_RANGE_WEIGHT, _overlap([_range(mine)], [_range(theirs)])))
    for name in sorted((set(mine) | set(theirs)) - set(_TIMES)):
        weight = _BOX_WEIGHT if name == "box" else _OTHER_WEIGHT
        parts.append((weight, _closeness(name, mine.get(name), theirs.get(name))))
    weights = sum(weight for weight, _ in parts)
    near = sum(weight * value for weight, value in parts) / weights if weights else 1.0
    return READABLE + SAME_TOOL + ARGUMENTS * near


def _closeness(name: str, mine: Any, theirs: Any) -> float:
    if name == "resize":
        mine, theirs = 1.0 if mine is None else mine, 1.0 if theirs is None else theirs
    if name in ("nframes", "resize"):
        first, second = _number(mine), _number(theirs)
        if first is None or second is None or min(first, second) <= 0:
            return 0.0
        return min(first, second) / max(first, second)
    if name == "box":
        return _overlap(_sides(mine), _sides(theirs))
    return float(mine == theirs)


def _range(arguments: Call) -> tuple[float, float] | None:
    """The range that a call looks at, at least a second long; None where it cannot be read."""
    try:
        if "time" in arguments:
            start = end = parse_time(arguments["time"])
        else:
            start, end = parse_time(arguments["start_time"]), parse_time(arguments["end_time"])
    except (KeyError, ValueError):
        return None
    spare = max(0.0, INSTANT_SECONDS - (end - start)) / 2
    return (start - spare, end + spare) if end >= start else None


def _sides(box: Any) -> list[tuple[float, float] | None]:
    """The horizontal and the vertical extent of a box (x0, y0, x1, y1) of fractions."""
    numbers = [_number(value) for value in box] if isinstance(box, list | tuple) else []
    if len(numbers) != 4 or None in numbers:
        return [None, None]
    x0, y0, x1, y1 = (min(max(value or 0.0, 0.0), 1.0) for value in numbers)
    return [(x0, x1) if x1 > x0 else None, (y0, y1) if y1 > y0 else None]


def _overlap(
    mine: Sequence[tuple[float, float] | None], theirs: Sequence[tuple[float, float] | None]
) -> float:
    """Intersection over union of two boxes of any dimension, each given by its extents."""
    shared = own = other = 1.0
    for first, second in zip(mine, theirs, strict=True):
        if first is None or second is None:
            return 0.0
        shared *= max(0.0, min(first[1], second[1]) - max(first[0], second[0]))
        own *= first[1] - first[0]
        other *= second[1] - second[0]
    union = own + other - shared
    return shared / union if union > 0 else 0.0


def _number(value: Any) -> float | None:
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None


def _text(completion: Any) -> str:
    if isinstance(completion, str):
        return completion
    content = completion[-1]["content"]
    if isinstance(content, str):
        return content
    return "".join(part.get("text", "") for part in content)
