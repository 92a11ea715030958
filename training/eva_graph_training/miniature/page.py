"""Tables and pictures as files: `tables.md`, `tables.html` (all in one), and the SVGs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path

from eva_graph_training.data.workplace import write_whole
from eva_graph_training.miniature.pictures import pictures
from eva_graph_training.miniature.reports import PolicyReport
from eva_graph_training.miniature.tables import Table, all_tables, main_run

TITLE = "The paper in miniature"
_STYLE = (
    ":root { color-scheme: light dark } body { font: 15px/1.5 system-ui, sans-serif; "
    "max-width: 64rem; margin: 2rem auto; padding: 0 1rem } table { border-collapse: collapse } "
    "td, th { padding: .2rem .8rem .2rem 0; text-align: left; border-bottom: 1px solid #8885; "
    "font-variant-numeric: tabular-nums } .scroll { overflow-x: auto } svg { max-width: 100% }"
)


def write_tables(reports: Sequence[PolicyReport], folder: Path) -> list[Path]:
    """Write everything that the reports tell; the files.

    Raises:
        DataError: there is no main run, or a file cannot be written.
    """
    run = main_run(reports)
    drawn: dict[str, str] = {}
    for split in next(iter(run.values())).splits:
        drawn |= pictures(run, split)
    tables = all_tables(reports)
    texts = {
        "tables.md": markdown(tables, list(drawn)),
        "tables.html": html(tables, drawn),
        **drawn,
    }
    for name, text in texts.items():
        write_whole(folder / name, text)
    return [folder / name for name in texts]


def markdown(tables: Sequence[Table], drawn: Sequence[str]) -> str:
    """The tables for a README or a model card, with the pictures' names."""
    parts = [f"# {TITLE}"]
    for table in tables:
        lines = [_line(table.head), _line(["---"] * len(table.head)), *map(_line, table.rows)]
        parts += [f"## {table.title}", *([table.note] if table.note else []), "\n".join(lines)]
    parts += [f"![{name.removesuffix('.svg')}]({name})" for name in drawn]
    return "\n\n".join(parts) + "\n"


def html(tables: Sequence[Table], drawn: Mapping[str, str]) -> str:
    """One page, nothing loaded from elsewhere, pictures within."""
    parts = [_html_table(table) for table in tables]
    policy = "default-src 'none'; style-src 'unsafe-inline'"
    return (
        "<!doctype html><html lang=en><meta charset=utf-8>"
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">'
        f"<title>{TITLE}</title><style>{_STYLE}</style><h1>{TITLE}</h1>"
        f"{''.join(parts)}{''.join(drawn.values())}</html>\n"
    )


def _html_table(table: Table) -> str:
    head = "".join(f"<th>{escape(cell)}</th>" for cell in table.head)
    rows = "".join(
        f"<tr>{''.join(f'<td>{escape(cell)}</td>' for cell in row)}</tr>" for row in table.rows
    )
    note = f"<p>{escape(table.note)}</p>" if table.note else ""
    return (
        f"<h2>{escape(table.title)}</h2>{note}<div class=scroll>"
        f"<table><tr>{head}</tr>{rows}</table></div>"
    )


def _line(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"
