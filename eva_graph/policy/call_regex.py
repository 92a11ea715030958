"""A regular expression that a guided decoder can hold one tool call to: `{"tool": …}`.

Built from the tools' own JSON schemas; arguments come in the schema's order, optional ones last.
Only syntax that every guided decoder has is used: groups, alternatives, classes, `?`, `*`, `{m,n}`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from eva_graph_tools import Tool

_INTEGER = r"[1-9][0-9]{0,3}"
_NUMBER = r"(0|[1-9][0-9]{0,5})(\.[0-9]{1,3})?"
_FRACTION = r"(1(\.0)?|0\.[0-9]{0,3}[1-9])"  # above 0, at most 1
_TIME = r'"([0-9]{1,2}:[0-5][0-9]|[0-9]{1,3}):[0-5][0-9](\.[0-9]{1,3})?"'


def calls_regex(tools: Iterable[Tool]) -> str:
    """Matches one call object of any of the tools, as `write_call` writes it."""
    return "(" + "|".join(_call(tool) for tool in tools) + ")"


def _call(tool: Tool) -> str:
    schema = tool.json_schema()
    required = set(schema.get("required", ()))
    fields = sorted(schema["properties"].items(), key=lambda item: item[0] not in required)
    text = ""
    for index, (name, field) in enumerate(fields):
        comma = ", " if index else ""
        pair = f'{comma}"{re.escape(name)}": {_value(field)}'
        text += pair if name in required else f"({pair})?"
    return rf'\{{"tool": "{re.escape(tool.name)}", "arguments": \{{{text}\}}\}}'


def _value(field: Mapping[str, Any]) -> str:
    kinds = [field] if "type" in field else list(field.get("anyOf", ()))
    options: list[str] = []
    for kind in kinds:
        match kind.get("type"):
            case "integer":
                options.append(_INTEGER)
            case "number":
                options.append(_FRACTION if kind.get("maximum") == 1 else _NUMBER)
            case "string":
                options.append(_TIME)
    return "(" + "|".join(options) + ")"
