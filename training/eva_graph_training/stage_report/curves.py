"""Curves of everything that a training logged, as pictures."""

from __future__ import annotations

import io
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

_NOT_DRAWN: Final = frozenset({"step", "epoch"})
_FIRST: Final = ("reward", "loss", "rewards/margins", "mean_token_accuracy", "kl", "entropy")
_SMOOTH_SHARE: Final = 0.1
_INCHES: Final = (4.4, 2.5)
_DOTS_PER_INCH: Final = 110


@dataclass(frozen=True, slots=True, kw_only=True)
class Curve:
    """One logged term.

    Attributes:
        name: as TRL or a reward calls it.
        steps: optimiser steps, growing.
        values: logged at them; finite.
    """

    name: str
    steps: tuple[int, ...]
    values: tuple[float, ...]

    @property
    def smoothed(self) -> tuple[float, ...]:
        """The mean of the last tenth of all values, at each of them."""
        return trailing_means(self.values, max(1, round(len(self.values) * _SMOOTH_SHARE)))


def curves_of(log: Iterable[Mapping[str, Any]]) -> list[Curve]:
    """A curve for each term with more than one finite value; losses and rewards come first.

    Args:
        log: lines of `log.jsonl`; what a stage logs once, at its end, makes no curve.
    """
    found: dict[str, list[tuple[int, float]]] = {}
    for line in log:
        for name, value in line.items():
            if name not in _NOT_DRAWN and _is_number(value):
                found.setdefault(name, []).append((line["step"], float(value)))
    drawn = [_curve(name, points) for name, points in found.items() if len(points) > 1]
    return sorted(drawn, key=_place)


def totals_of(log: Iterable[Mapping[str, Any]]) -> dict[str, float]:
    """What was logged once: Trainer's own sums at the end."""
    counts: dict[str, list[float]] = {}
    for line in log:
        for name, value in line.items():
            if name not in _NOT_DRAWN and _is_number(value):
                counts.setdefault(name, []).append(float(value))
    return {name: values[0] for name, values in counts.items() if len(values) == 1}


def trailing_means(values: Sequence[float], window: int) -> tuple[float, ...]:
    """The mean of each value and those before it, `window` in all; fewer at the beginning."""
    parts = (values[max(0, end - window) : end] for end in range(1, len(values) + 1))
    return tuple(math.fsum(part) / len(part) for part in parts)


def picture(curve: Curve) -> bytes:
    """The curve as PNG: every value pale, the smoothed one over it."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=_INCHES, dpi=_DOTS_PER_INCH)
    axes = figure.add_axes((0.15, 0.17, 0.81, 0.72))
    axes.plot(curve.steps, curve.values, color="#2563ab", alpha=0.35, linewidth=1, marker=".",
              markersize=3)  # fmt: skip
    axes.plot(curve.steps, curve.smoothed, color="#2563ab", linewidth=1.8)
    axes.set_title(curve.name, fontsize=9, parse_math=False)
    axes.set_xlabel("step", fontsize=8)
    axes.tick_params(labelsize=8)
    axes.grid(visible=True, alpha=0.25)
    axes.locator_params(axis="x", integer=True)
    buffer = io.BytesIO()
    canvas: Any = FigureCanvasAgg(figure)
    canvas.print_png(buffer)
    return buffer.getvalue()


def _curve(name: str, points: Sequence[tuple[int, float]]) -> Curve:
    return Curve(
        name=name,
        steps=tuple(step for step, _ in points),
        values=tuple(value for _, value in points),
    )


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and math.isfinite(value)


def _place(curve: Curve) -> tuple[int, str]:
    return (_FIRST.index(curve.name) if curve.name in _FIRST else len(_FIRST)), curve.name
