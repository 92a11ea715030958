"""Pages about recorded runs: `write_view` makes one self-contained HTML file, read offline."""

from __future__ import annotations

from eva_graph.viewer.build import DEFAULT_MAX_MB, View, write_view

__all__ = ["DEFAULT_MAX_MB", "View", "write_view"]
