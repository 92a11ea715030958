"""The picture of the graph: four nodes, and the README shows exactly this one."""

from __future__ import annotations

import re
from pathlib import Path

from eva_graph import build_graph
from eva_graph.testing import ScriptedPolicy

README = Path(__file__).parents[2] / "README.md"
EDGES = [
    ("__start__", "summary"), ("summary", "plan"), ("plan", "action"), ("plan", "__end__"),
    ("action", "reflection"), ("action", "__end__"), ("reflection", "summary"),
    ("reflection", "__end__"),
]  # fmt: skip


def picture() -> str:
    return build_graph(ScriptedPolicy([])).get_graph().draw_mermaid().strip()


def test_four_nodes() -> None:
    drawn = picture()
    nodes = re.findall(r"^\t(\w+)\(\1\)$", drawn, re.MULTILINE)
    assert nodes == ["summary", "plan", "action", "reflection"]
    edges = re.findall(r"^\t(\w+) -(?:-|\.-)> (\w+);$", drawn, re.MULTILINE)
    assert sorted(edges) == sorted(EDGES)


def test_the_readme_shows_it() -> None:
    text = README.read_text(encoding="utf-8")
    shown = text.partition("<!-- graph -->")[2].partition("<!-- /graph -->")[0].strip()
    assert shown == f"```mermaid\n{picture()}\n```"
