"""How many questions a paired test needs: the power of McNemar's test by its normal approximation.

Two policies answer the same questions; only those count that one of them has right and the other
has not. Source: Connor, "Sample size for testing differences in proportions for the paired-sample
design", Biometrics 43 (1987).
"""

from __future__ import annotations

import math
from statistics import NormalDist

from eva_graph.errors import InvalidRequest

_NORMAL = NormalDist()


def mcnemar_power(
    questions: int, difference: float, discordant: float, *, level: float = 0.05
) -> float:
    """The probability that the test finds a difference.

    Args:
        questions: that both were asked.
        difference: of the accuracies, between 0 and `discordant`.
        discordant: share of the questions that exactly one of them has right.
        level: two-sided.

    Raises:
        InvalidRequest: such a difference cannot come of so few discordant questions.
    """
    if not 0 <= difference <= discordant <= 1 or discordant == 0 or questions < 1:
        raise InvalidRequest(
            f"a difference of {difference:g} needs at least that share of discordant questions, "
            f"not {discordant:g}, and a question"
        )
    spread = math.sqrt(discordant - difference**2)
    critical = _NORMAL.inv_cdf(1 - level / 2) * math.sqrt(discordant)
    reach = difference * math.sqrt(questions)
    if spread == 0:
        return 1.0 if reach > critical else 0.0
    return _NORMAL.cdf((reach - critical) / spread) + _NORMAL.cdf((-reach - critical) / spread)


def questions_needed(
    difference: float, discordant: float, *, power: float = 0.8, level: float = 0.05
) -> int:
    """The fewest questions with that power; raises as `mcnemar_power`."""
    low, high = 1, 1
    while mcnemar_power(high, difference, discordant, level=level) < power:
        low, high = high, 2 * high
    while high - low > 1:
        middle = (low + high) // 2
        enough = mcnemar_power(middle, difference, discordant, level=level) >= power
        low, high = (low, middle) if enough else (middle, high)
    return high
