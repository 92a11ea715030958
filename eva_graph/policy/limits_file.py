"""`eva_graph_policy.json` beside a model's weights: what it knows, and how long its turns may be.

`{"notice": …, "knows": …, "max_new_tokens": …, "tools": […]}`, each optional: a limit told to
users, the tag of the videos where it is none, the longest turn the model should ever write, and the
tools that it was trained with.
"""

from __future__ import annotations

import json
from pathlib import Path, PurePath
from typing import Any

from eva_graph.errors import InvalidRequest
from eva_graph_tools import TOOLS

LIMITS_FILE = "eva_graph_policy.json"
EMBEDDED_FOLDER = Path(__file__).resolve().parent.parent / "nano"
"""The model that ships inside the package."""

Json = dict[str, Any]


def read_json(folder: Path, name: str) -> Json:
    """A JSON object of a model folder. Raises `InvalidRequest` in one line."""
    path = folder / name
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise InvalidRequest(f"{folder} is no model folder: it holds no {name}") from None
    except ValueError as error:
        raise InvalidRequest(f"{path} is no JSON: {error}") from error
    if not isinstance(content, dict):
        raise InvalidRequest(f"{path} holds no JSON object")
    return content


def read_limits(folder: Path) -> Json:
    """The limits of a folder, empty where it names none. Raises `InvalidRequest`."""
    return read_json(folder, LIMITS_FILE) if (folder / LIMITS_FILE).is_file() else {}


def known_tools(limits: Json) -> tuple[str, ...] | None:
    """Names of the tools that limits name; None where they name none.

    Raises:
        InvalidRequest: there is no such tool.
    """
    named = limits.get("tools")
    if named is None:
        return None
    if not isinstance(named, list) or not named or any(name not in TOOLS for name in named):
        raise InvalidRequest(
            f"{LIMITS_FILE}: tools must be a list of {', '.join(TOOLS)}, not {named!r:.80}"
        )
    return tuple(named)


def served_limits(root: str | None) -> Json:
    """Notice, tag and tools of what a server says it serves, as far as they can be known from here.

    vLLM names the folder (`root` of `/v1/models`). Known are the embedded model, wherever it is
    installed, and folders on this disk; of everything else, no limit is known.
    """
    if root is None:
        return {}
    embedded = PurePath(root).parts[-2:] == EMBEDDED_FOLDER.parts[-2:]
    folder = EMBEDDED_FOLDER if embedded else Path(root)
    try:
        limits = read_limits(folder) if folder.is_absolute() else {}
        tools = known_tools(limits)
    except (InvalidRequest, OSError):  # a folder of that name here need not be the served one
        return {}
    told = {name: text for name, text in limits.items() if isinstance(text, str)}
    return told if tools is None else {**told, "tools": tools}
