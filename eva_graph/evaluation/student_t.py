"""The quantile of Student's t that a confidence interval needs.

Hill 1970 (Communications of the ACM, algorithm 396), with the closed forms of one and two degrees
of freedom; within 1e-3 of the true value from three degrees on, closer with more.
"""

from __future__ import annotations

import math
from statistics import NormalDist


def t_quantile(confidence: float, degrees: int) -> float:
    """The t that a t-distributed value stays within, both sides, with this probability.

    Args:
        confidence: between 0 and 1, e.g. 0.95.
        degrees: of freedom, 1 or more.
    """
    tail = 1 - confidence
    if degrees == 1:
        return 1 / math.tan(tail * math.pi / 2)
    if degrees == 2:
        return math.sqrt(2 / (tail * (2 - tail)) - 2)
    a = 1 / (degrees - 0.5)
    b = 48 / a**2
    c = ((20_700 * a / b - 98) * a - 16) * a + 96.36
    d = ((94.5 / (b + c) - 3) / b + 1) * math.sqrt(a * math.pi / 2) * degrees
    y = (d * tail) ** (2 / degrees)
    y = _near_normal(tail, degrees, a, b, c, d) if y > 0.05 + a else _far_tail(y, degrees, d)
    return math.sqrt(degrees * y)


def _near_normal(tail: float, degrees: int, a: float, b: float, c: float, d: float) -> float:
    x = NormalDist().inv_cdf(tail / 2)
    y = x * x
    if degrees < 5:
        c += 0.3 * (degrees - 4.5) * (x + 0.6)
    c = (((0.05 * d * x - 5) * x - 7) * x - 2) * x + b + c
    y = (((((0.4 * y + 6.3) * y + 36) * y + 94.5) / c - y - 3) / b + 1) * x
    return math.expm1(a * y * y)


def _far_tail(y: float, degrees: int, d: float) -> float:
    inner = ((degrees + 6) / (degrees * y) - 0.089 * d - 0.822) * (degrees + 2) * 3
    return ((1 / inner + 0.5 / (degrees + 4)) * y - 1) * (degrees + 1) / (degrees + 2) + 1 / y
