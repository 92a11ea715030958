"""The card of a set: what is in it, where it comes from, and all that was left out and why.

Written from counts alone, without a date, so that equal sets have equal cards.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from eva_graph.trajectory.versions import installed_versions


@dataclass(slots=True, kw_only=True)
class Card:
    """A card in parts.

    Attributes:
        title: what the set is.
        summary: for whom, and how many rows.
        tables: by heading, what was counted or set; empty ones are not written.
        usage: a command or code that reads the set.
    """

    title: str
    summary: str
    tables: dict[str, Mapping[str, object]] = field(default_factory=dict)
    usage: str = ""

    def text(self) -> str:
        """The card as Markdown, with the YAML head that data set hubs read."""
        tags = "".join(f"- {tag}\n" for tag in ("video-question-answering", "agent", "eva-graph"))
        sections = [f"---\ntags:\n{tags}---\n\n# {self.title}\n\n{self.summary}"]
        tables = {**self.tables, "Made with": installed_versions()}
        sections += [_table(name, counted) for name, counted in tables.items() if counted]
        if self.usage:
            sections.append(f"## How to use\n\n```\n{self.usage.strip()}\n```")
        return "\n\n".join(sections) + "\n"


def _table(title: str, counted: Mapping[str, object]) -> str:
    lines = [f"| {_cell(name)} | {_cell(str(value))} |" for name, value in counted.items()]
    return "\n".join([f"## {title}", "", "| | |", "| --- | ---: |", *lines])


def _cell(text: str) -> str:
    return " ".join(text.replace("|", "\\|").split())
