"""A regular expression that a guided decoder can hold one tool call to: `{"tool": …}`.

Built from the tools' own JSON schemas; arguments come in the schema's order, optional ones last;
where they exclude one another there is an alternative for each form.
Only syntax that every guided decoder has is used: groups, alternatives, classes, `?`, `*`, `{m,n}`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from eva_graph_tools import Tool

_INTEGER = r"[1-9][0-9]{0,3}"
_NUMBER = r"(0|[1-9][0-9]{0,5})(\.[0-9]{1,3})?"
_FRACTION = r"(1(\.0)?|0\.[0-9]{0,3}[1-9])"  # above 0, at most 1
_FRACTION_OR_ZERO = r"(1(\.0)?|0(\.[0-9]{1,4})?)"
_TEXT = r'"[^"\\\x00-\x1f]{1,80}"'
_TIME = r'"([0-9]{1,2}:[0-5][0-9]|[0-9]{1,3}):[0-5][0-9](\.[0-9]{1,3})?"'


def calls_regex(tools: Iterable[Tool]) -> str:
    """Matches one call object of any of the tools, as `write_call` writes it."""
    return "(" + "|".join(_call(tool) for tool in tools) + ")"


def _call(tool: Tool) -> str:
    bodies = "|".join(_arguments(tool, form) for form in tool.arguments.forms or ((),))
    return rf'\{{"tool": "{re.escape(tool.name)}", "arguments": \{{({bodies})\}}\}}'


def _arguments(tool: Tool, form: Sequence[str]) -> str:
    schema = tool.json_schema()
    required = {*schema.get("required", ()), *form}
    others = {name for one in tool.arguments.forms for name in one} - set(form)
    fields = [item for item in schema["properties"].items() if item[0] not in others]
    pairs = {name: f'"{re.escape(name)}": {_value(field)}' for name, field in fields}
    needed = ", ".join(pair for name, pair in pairs.items() if name in required)
    optional = [pair for name, pair in pairs.items() if name not in required]
    if needed:
        return needed + "".join(f"(, {pair})?" for pair in optional)
    first = [
        pair + "".join(f"(, {later})?" for later in optional[number + 1 :])
        for number, pair in enumerate(optional)
    ]
    return f"({'|'.join(first)})?"


def _value(field: Mapping[str, Any]) -> str:
    kinds = [field] if "type" in field else list(field.get("anyOf", ()))
    return "(" + "|".join(_kind(kind) for kind in kinds) + ")"


def _kind(kind: Mapping[str, Any]) -> str:
    match kind["type"]:
        case "integer":
            return _INTEGER
        case "number" if kind.get("maximum") == 1:
            return _FRACTION if "exclusiveMinimum" in kind else _FRACTION_OR_ZERO
        case "number" if "exclusiveMinimum" in kind:
            # One digit fewer than the greatest value has, so that it is never exceeded.
            digits = len(str(int(kind.get("maximum", 10**6)))) - 2
            return rf"[1-9][0-9]{{0,{digits}}}(\.[0-9]{{1,3}})?"
        case "number":
            return _NUMBER
        case "array":
            item = _value(kind["items"])
            return rf"\[{item}(, {item}){{{kind['minItems'] - 1},{kind['maxItems'] - 1}}}\]"
        case _:
            return _TIME if "pattern" in kind else _TEXT
