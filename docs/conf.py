"""How Sphinx builds the site: `sphinx-build -W -n docs OUT`. What it builds needs no network.

Pages are plain Markdown that reads well on its own too. Links that leave `docs/` lead to the page
of the site that shows the same file.
"""

from __future__ import annotations

import re
from importlib.metadata import version as installed_version
from pathlib import Path

from sphinx.application import Sphinx

HERE = Path(__file__).parent

project = "eva_graph"
author = "the eva_graph authors"
release = version = installed_version("eva-graph")

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon", "sphinx_copybutton"]
exclude_patterns = ["_build"]
myst_heading_anchors = 3
default_role = "literal"  # docstrings mark code with single backticks
nitpicky = True

autodoc_default_options = {"members": True, "show-inheritance": True}
autodoc_typehints_format = "short"
autodoc_member_order = "bysource"
autodoc_class_signature = "separated"
napoleon_google_docstring = True
napoleon_numpy_docstring = False
nitpick_ignore_regex = [
    # Other projects' names: their inventories lie on the network.
    (r"py:.*", r"(?!eva_graph).*"),
    # Ours that signatures name and that are no interface.
    (r"py:class", r"eva_graph\w*\.(.+\.)?_\w+"),
    (r"py:class", r"eva_graph_training\.recipe\.settings\.Settings"),
    (r"py:class", r"eva_graph\.trajectory\.(recovery\.Recovered|journal\.Journal)"),
    (r"py:class", r"eva_graph\.trajectory\.policy_record\.RecordModel"),
    (r"py:class", r"eva_graph_tools\.(video_frames\.VideoFrames|reader\.Reader)"),
]

html_theme = "furo"
html_title = f"eva_graph {release}"
html_show_sourcelink = False
html_copy_source = False
html_static_path: list[str] = []

SHOWN_ELSEWHERE = {
    "../README.md": "index.md",
    "../benchmarks/README.md": "figures.md",
    "../eva_graph/nano/MODEL_CARD.md": "model_card.md",
}


def lead_links_into_the_site(app: Sphinx, page: str, source: list[str]) -> None:
    """Links to files that the site shows on a page of its own."""
    for file, shown in SHOWN_ELSEWHERE.items():
        source[0] = source[0].replace(f"]({file}", f"]({shown}")


def list_new_pages(app: Sphinx, page: str, source: list[str]) -> None:
    """In the index, `NEW` stands for every page that no group names yet."""
    if page == "index":
        named = set(re.findall(r"^(\w+)$", source[0], re.MULTILINE))
        new = sorted({path.stem for path in HERE.glob("*.md")} - named - {"index"})
        source[0] = source[0].replace("NEW\n", "".join(f"{name}\n" for name in new))


def show_examples_as_code(
    app: Sphinx, what: str, name: str, obj: object, options: object, lines: list[str]
) -> None:
    """An indented part of a module's docstring is code or a drawing, not a quotation."""
    if what != "module":
        return
    shown: list[str] = []
    inside = False
    for line in lines:
        if line.startswith("    ") and not inside:
            shown += ["::", ""]
        inside = line.startswith("    ") or (inside and not line)
        shown.append(line)
    lines[:] = shown


def setup(app: Sphinx) -> None:
    """Called by Sphinx."""
    app.connect("source-read", lead_links_into_the_site)
    app.connect("source-read", list_new_pages)
    app.connect("autodoc-process-docstring", show_examples_as_code)
