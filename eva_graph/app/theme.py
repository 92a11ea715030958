"""How the page looks: the viewer's palette and time line, in Gradio's frame; system fonts alone."""

from __future__ import annotations

from importlib.resources import files

from gradio.themes import Base

from eva_graph.viewer.assets import asset, script

_FONTS = ("system-ui", "-apple-system", "Segoe UI", "Roboto", "Helvetica Neue", "sans-serif")
_MONO = ("ui-monospace", "SF Mono", "Cascadia Mono", "Menlo", "Consolas", "monospace")
_FILLS = {
    "body_background_fill": "var(--page)",
    "body_text_color": "var(--ink)",
    "body_text_color_subdued": "var(--soft)",
    "background_fill_primary": "var(--panel)",
    "background_fill_secondary": "var(--raised)",
    "border_color_primary": "var(--line)",
    "border_color_accent": "var(--accent)",
    "border_color_accent_subdued": "var(--accent)",
    "color_accent_soft": "var(--accent-wash)",
    "block_background_fill": "transparent",
    "block_border_color": "transparent",
    "block_label_background_fill": "transparent",
    "block_label_text_color": "var(--soft)",
    "block_title_text_color": "var(--soft)",
    "block_info_text_color": "var(--soft)",
    "input_background_fill": "var(--panel)",
    "input_background_fill_focus": "var(--panel)",
    "input_border_color": "var(--line)",
    "input_border_color_focus": "var(--accent)",
    "input_placeholder_color": "var(--faint)",
    "button_primary_background_fill": "var(--accent)",
    "button_primary_background_fill_hover": "var(--accent-deep)",
    "button_primary_text_color": "var(--on-accent)",
    "button_primary_border_color": "transparent",
    "button_secondary_background_fill": "var(--panel)",
    "button_secondary_background_fill_hover": "var(--hover)",
    "button_secondary_text_color": "var(--ink)",
    "button_secondary_border_color": "var(--line)",
    "link_text_color": "var(--accent)",
}
"""The same in light and dark: the palette itself knows which it is."""


def theme() -> Base:
    """Gradio's controls in the viewer's colours."""
    both = {**_FILLS, **{f"{name}_dark": value for name, value in _FILLS.items()}}
    return Base(font=_FONTS, font_mono=_MONO, radius_size="md", text_size="md").set(
        **both,
        block_border_width="0px",
        block_padding="0px",
        block_shadow="none",
        block_label_shadow="none",
        input_border_width="1px",
        input_shadow_focus="none",
        button_large_radius="8px",
        layout_gap="14px",
    )


def head() -> str:
    """Styles for the page's head: the palette, the viewer's question (within ours), our own."""
    within = f".eva-stage {{\n{asset('question.css')}\n}}\n"
    return f"<style>\n{asset('colours.css')}\n{within}\n{_own('page.css')}\n</style>"


def stage_markup() -> str:
    """The empty elements that the script fills; no value is ever put into this text."""
    return _own("stage.html")


def stage_script() -> str:
    """The script of the stage, with the viewer's modules that it needs."""
    return script(_own("stage.js"))


def _own(name: str) -> str:
    return (files("eva_graph.app") / "static" / name).read_text(encoding="utf-8")
