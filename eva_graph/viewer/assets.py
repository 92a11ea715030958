"""The page's own files, put together: one style, one script, one template; nothing from outside.

The JavaScript files are modules. A page that is opened from disk cannot import modules, so they
are joined into one script in the order of their imports, import lines and `export` words removed.
Names at their top level therefore have to differ from file to file.
"""

from __future__ import annotations

import base64
import hashlib
import re
from importlib.resources import files

_IMPORT = re.compile(r'^import \{[^}]*\} from "\./(?P<name>[\w-]+\.js)";\n', re.MULTILINE)
_STYLES = ("colours.css", "style.css", "question.css", "narrow.css")
_EXPORT = re.compile(r"^export (?=(?:async )?function|const|class|let)", re.MULTILINE)


def asset(name: str) -> str:
    """The text of a file of the page."""
    return (files("eva_graph.viewer") / "static" / name).read_text(encoding="utf-8")


def style() -> str:
    """All style sheets in the order in which they count."""
    return "\n".join(asset(name) for name in _STYLES)


def script(entry: str | None = None) -> str:
    """A module and all that it needs, as one classic script in a scope of its own.

    Args:
        entry: text of the module; the page's own where it is None. It may import what lies here.
    """
    joined: dict[str, str] = {}
    _join("", entry or asset("main.js"), joined)
    return '"use strict";\n(() => {\n' + "\n".join(joined.values()) + "})();\n"


def source_hash(text: str) -> str:
    """How a content security policy names an inline style or script."""
    digest = hashlib.sha256(text.encode("utf-8")).digest()
    return f"'sha256-{base64.b64encode(digest).decode('ascii')}'"


def _join(name: str, text: str, joined: dict[str, str]) -> None:
    if name in joined:
        return
    for needed in _IMPORT.finditer(text):
        _join(needed["name"], asset(needed["name"]), joined)
    joined[name] = _EXPORT.sub("", _IMPORT.sub("", text))
