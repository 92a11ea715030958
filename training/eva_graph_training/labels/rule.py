"""A rule of the taxonomy, and the register that anybody may add to.

    from eva_graph_training.labels import Rule, register

    register(Rule(
        name="never_zoomed", kind="fault", meaning="…", reason="…",
        find=lambda facts: None if any(…) else "no look at full detail",
    ))

A rule looks at `Facts` and says in one line why it holds, or None where it does not. Faults speak
against an episode, merits for it; merits are looked for once all faults are known.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from eva_graph_training.errors import DataError
from eva_graph_training.labels.facts import Facts

Kind = Literal["fault", "merit"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """One label.

    Attributes:
        name: the label, in snake case.
        kind: what it speaks for.
        meaning: when it holds, thresholds included, in one sentence.
        reason: why, with the source.
        find: why it holds for an episode, in one line; None where it does not.
    """

    name: str
    kind: Kind
    meaning: str
    reason: str
    find: Callable[[Facts], str | None]


_RULES: dict[str, Rule] = {}


def register(rule: Rule, *, replace: bool = False) -> Rule:
    """Add a rule to the taxonomy; with `replace` another threshold takes the place of ours.

    Raises:
        DataError: the name is taken, or is no label.
    """
    if not rule.name.isidentifier():
        raise DataError(f"{rule.name!r} is no label: use letters, digits and underscores")
    if rule.name in _RULES and not replace:
        raise DataError(f"there is a rule {rule.name!r} already: pass replace=True to change it")
    _RULES[rule.name] = rule
    return rule


def rules() -> tuple[Rule, ...]:
    """All rules, faults before merits, else in the order in which they were added."""
    return tuple(sorted(_RULES.values(), key=lambda rule: rule.kind))
