"""How rounds and visual tokens are distributed at each stage (the paper's figure 4), as SVG."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from html import escape
from typing import Final

from eva_graph_training.miniature.measuring import Measured
from eva_graph_training.miniature.reports import PolicyReport

STAGES: Final = ("sft", "kto", "grpo")
_TOKEN_EDGES: Final = (0, 1, 17, 33, 65, 129, 257, 513)
"""The first visual tokens of each bar; the last one has no end."""
_MOST_ROUNDS: Final = 6
_WIDTH, _HEIGHT, _MARGIN = 220, 150, 34
_INK, _BAR = "#5c6166", "#2563ab"


def round_shares(found: Measured) -> dict[str, float]:
    """Share of the episodes by their assistant turns."""
    names = [str(number) for number in range(1, _MOST_ROUNDS + 1)]
    return _shares((str(min(int(digit), _MOST_ROUNDS)) for digit in found.rounds), names)


def token_shares(found: Measured) -> dict[str, float]:
    """Share of the episodes by their visual tokens."""
    ends = [f"-{edge - 1}" for edge in _TOKEN_EDGES[1:]] + ["+"]
    names = [f"{start}{end}" for start, end in zip(_TOKEN_EDGES, ends, strict=True)]
    names[0] = "0"
    places = (sum(tokens >= edge for edge in _TOKEN_EDGES) - 1 for tokens in found.visual_tokens)
    return _shares((names[place] for place in places), names)


def pictures(run: Mapping[str, PolicyReport], split: str) -> dict[str, str]:
    """SVG texts by file name; a panel for each stage that the run has."""
    stages = [name for name in STAGES if name in run]
    return {
        f"{what}-{split}.svg": _picture(
            f"{title}, {split} split", [(name, shares(run[name].splits[split])) for name in stages]
        )
        for what, title, shares in _PICTURES
    }


_PICTURES: Final[Sequence[tuple[str, str, Callable[[Measured], dict[str, float]]]]] = (
    ("rounds", "Rounds an episode", round_shares),
    ("visual-tokens", "Visual tokens an episode", token_shares),
)


def _shares(values: object, names: Sequence[str]) -> dict[str, float]:
    counts: Counter[str] = Counter(values)  # type: ignore[call-overload]
    total = max(1, counts.total())
    return {name: counts[name] / total for name in names}


def _picture(title: str, panels: Sequence[tuple[str, Mapping[str, float]]]) -> str:
    width = _WIDTH * max(1, len(panels))
    drawn = "".join(
        f'<g transform="translate({_WIDTH * place} 22)">{_panel(name, shares)}</g>'
        for place, (name, shares) in enumerate(panels)
    )
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {_HEIGHT + 40}" '
        f'role="img" font-family="system-ui, sans-serif" font-size="9" fill="{_INK}">'
        f"<title>{escape(title)}</title>"
        f'<text x="4" y="13" font-size="12">{escape(title)}</text>{drawn}</svg>\n'
    )


def _panel(name: str, shares: Mapping[str, float]) -> str:
    step = (_WIDTH - 16) / len(shares)
    most = max(0.01, *shares.values())
    floor = _HEIGHT - _MARGIN + 12
    parts = [f'<text x="8" y="12" font-weight="600">{escape(name)}</text>']
    for place, (label, share) in enumerate(shares.items()):
        x, height = 8 + place * step, share / most * (floor - 30)
        middle = x + step / 2
        parts.append(
            f'<rect x="{x + 1:.1f}" y="{floor - height:.1f}" width="{step - 2:.1f}" '
            f'height="{height:.1f}" fill="{_BAR}"><title>{share:.1%}</title></rect>'
            f'<text x="{middle:.1f}" y="{floor - height - 2:.1f}" text-anchor="middle" '
            f'font-size="7">{100 * share:.0f}</text>'
            f'<text x="{middle:.1f}" y="{floor + 9}" text-anchor="middle" font-size="6.5">'
            f"{escape(label)}</text>"
        )
    return "".join(parts)
