"""Draws the pictures of the concepts page; `python docs/pictures/draw.py` writes them anew.

Boxes bring their own colours and lines are mid grey, so that they read on light and dark pages.
Numbers are the code's own: the picture of the budget asks the rule that the tools ask. A test holds
that the files are what this script draws.
"""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from pathlib import Path

from eva_graph_tools import VisualGrid

LINE, NOTE = "#7f8896", "#7f8896"
FILL = {
    "think": ("#e4e0ff", "#2b2360"),
    "look": ("#cfeee3", "#0d3b2e"),
    "store": ("#ffe6bf", "#4a2f00"),
    "end": ("#d5e3f7", "#12304f"),
}
"""Colour of a box and of its words, by what happens there."""

HEAD = (
    '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" role="img" '
    'aria-label="{title}" font-family="system-ui, sans-serif" font-size="14">\n'
    f'<defs><marker id="tip" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="8" markerHeight="8" '
    f'orient="auto"><path d="M0 0 8 4 0 8z" fill="{LINE}"/></marker></defs>\n'
)


def picture(title: str, width: int, height: int, parts: Sequence[str]) -> str:
    """A whole SVG file; sizes in pixels."""
    head = HEAD.format(width=width, height=height, title=escape(title))
    return head + "\n".join(parts) + "\n</svg>\n"


def words(x: float, y: float, text: str, *, size: int = 12, colour: str = NOTE) -> str:
    """One centred line of text."""
    return (
        f'<text x="{x:g}" y="{y:g}" text-anchor="middle" font-size="{size}" fill="{colour}">'
        f"{escape(text)}</text>"
    )


def box(x: int, y: int, width: int, lines: Sequence[str], kind: str) -> str:
    """A box of 70 pixels' height: a name, and what it does below it."""
    fill, ink = FILL[kind]
    middle = x + width / 2
    shape = f'<rect x="{x}" y="{y}" width="{width}" height="70" rx="9" fill="{fill}"/>'
    name = (
        f'<text x="{middle:g}" y="{y + 26}" text-anchor="middle" font-weight="600" '
        f'fill="{ink}">{escape(lines[0])}</text>'
    )
    rest = [
        words(middle, y + 44 + 15 * place, line, colour=ink) for place, line in enumerate(lines[1:])
    ]
    return "\n".join([shape, name, *rest])


def arrow(path: str, *, dashed: bool = False) -> str:
    """A line with a tip, along an SVG path."""
    dashes = ' stroke-dasharray="5 4"' if dashed else ""
    return (
        f'<path d="{path}" fill="none" stroke="{LINE}" stroke-width="1.6"{dashes} '
        'marker-end="url(#tip)"/>'
    )


def cycle() -> str:
    """The four nodes and the two ways out."""
    return picture(
        "The cycle: summary, plan, action, reflection",
        760,
        245,
        [
            words(42, 79, "question", size=13),
            arrow("M74 75H100"),
            box(104, 40, 130, ["summary", "what is known", "so far"], "think"),
            arrow("M234 75H264"),
            box(268, 40, 130, ["plan", "looks, their cost,", "the choice"], "think"),
            arrow("M398 75H428"),
            box(432, 40, 130, ["action", "tools run,", "frames come back"], "look"),
            arrow("M562 75H592"),
            box(596, 40, 140, ["reflection", "what it showed:", "is it enough?"], "think"),
            arrow("M640 110V160H169V114"),
            words(440, 152, "not enough: look again"),
            arrow("M700 110V196H596"),
            words(676, 216, "enough, or out of budget"),
            box(452, 170, 140, ["answer", "with evidence and", "a stop reason"], "end"),
            arrow("M333 110V206H448", dashed=True),
            words(280, 210, "answered"),
            words(280, 226, "at once"),
        ],
    )


def _frames(x: int, y: int, count: int, width: float, height: float) -> list[str]:
    fill = FILL["look"][0]
    columns = 8
    return [
        f'<rect x="{x + place % columns * (width + 3):g}" '
        f'y="{y + place // columns * (height + 3):g}"'
        f' width="{width:g}" height="{height:g}" rx="1.5" fill="{fill}"/>'
        for place in range(count)
    ]


def budget() -> str:
    """What the budget makes of a look that asks for too much."""
    width, height, asked, limit = 1280, 720, 32, 12_000
    grid = VisualGrid()
    nframes, resize = grid.fit(width, height, asked, 1.0, limit)
    before = grid.estimate(width, height, 1.0, asked)
    after = grid.estimate(width, height, resize, nframes)
    size = grid.final_size(width, height, resize)
    scale = 640 / before
    full, small = 36.0, 36.0 * size[0] / width

    def bar(y: int, tokens: int, kind: str) -> str:
        colour = FILL[kind][0]
        return (
            f'<rect x="60" y="{y}" width="{tokens * scale:.1f}" height="16" rx="3" '
            f'fill="{colour}" stroke="{LINE}"/>'
        )

    edge = 60 + limit * scale
    return picture(
        "A look's budget",
        760,
        300,
        [
            words(215, 22, f"asked: {asked} frames of {width}x{height}", size=13),
            *_frames(60, 34, asked, full, full * 9 / 16),
            words(425, 66, "reduced"),
            arrow("M400 76H450"),
            words(592, 22, f"applied: {nframes} frames of {size[0]}x{size[1]}", size=13),
            *_frames(480, 34, nframes, small, small * size[1] / size[0]),
            bar(160, before, "store"),
            words(380, 172, f"{before:,} visual tokens asked", colour=FILL["store"][1]),
            bar(212, after, "look"),
            words(60 + after * scale / 2, 204, f"{after:,} applied"),
            f'<path d="M{edge:.1f} 150V250" stroke="#d0485a" stroke-width="1.6"/>',
            words(edge, 268, f"look_budget = {limit:,}", colour="#d0485a"),
            words(380, 290, "the policy is told what was applied; the record keeps both"),
        ],
    )


def record() -> str:
    """What one line of a run's records holds."""
    return picture(
        "What a record keeps",
        760,
        250,
        [
            box(20, 30, 160, ["the task", "question, options,", "the video's content id"], "end"),
            arrow("M180 65H206"),
            box(
                210,
                30,
                160,
                ["each turn", "text, token ids,", "its four parts"],
                "think",
            ),
            arrow("M370 65H396"),
            box(400, 30, 160, ["each call", "asked and applied,", "cost, notes, error"], "look"),
            arrow("M560 65H586"),
            box(590, 30, 150, ["the end", "answer, evidence,", "stop reason, usage"], "end"),
            arrow("M480 100V146"),
            box(
                400,
                150,
                160,
                ["each frame", "true time, size,", "hash of its bytes"],
                "store",
            ),
            arrow("M400 185H374"),
            box(210, 150, 160, ["frames/", "every picture once,", "named by its hash"], "store"),
            arrow("M665 100V146", dashed=True),
            box(590, 150, 150, ["later", "labels, reward,", "a person's edits"], "think"),
            words(380, 242, "one JSON line: enough to rebuild every prompt, messages and pixels"),
        ],
    )


def pixels() -> str:
    """Where pixels are, and where only their names are."""
    return picture(
        "Where pixels live",
        760,
        290,
        [
            box(20, 30, 140, ["video file", "read by exact", "time"], "end"),
            arrow("M160 65H206"),
            words(183, 56, "decode"),
            box(210, 30, 160, ["frame store", "encoded bytes,", "named by hash"], "store"),
            arrow("M370 65H586"),
            words(478, 56, "bytes, for one call only"),
            box(590, 30, 150, ["policy call", "server or model", "in this process"], "think"),
            arrow("M290 100V176"),
            words(352, 142, "frame://sha256:…", size=12),
            box(20, 180, 160, ["messages", "references with", "time and size"], "look"),
            box(210, 180, 160, ["checkpoints", "references, never", "pixels"], "look"),
            box(400, 180, 160, ["records", "references; a run", "owns its frames"], "look"),
            box(590, 180, 150, ["traces", "references and", "token counts"], "look"),
            arrow("M290 160H100V176"),
            arrow("M290 160H480V176"),
            arrow("M480 160H665V176"),
            words(380, 278, "a frame that is missing is decoded again, and its hash is checked"),
        ],
    )


PICTURES = {"cycle": cycle, "budget": budget, "record": record, "pixels": pixels}

if __name__ == "__main__":
    for name, draw in PICTURES.items():
        Path(__file__).with_name(f"{name}.svg").write_text(draw(), encoding="utf-8")
