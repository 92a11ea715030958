"""How alike two questions are, by their words alone: weighed by rarity, or as a share.

Words are runs of letters and digits in any script, without case.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterable

_WORD = re.compile(r"[^\W_]+")


def plain_words(text: str) -> list[str]:
    """The words of a text in order."""
    return _WORD.findall(text.casefold())


class Rarity:
    """Knows how many texts hold a word, and weighs what two texts share by it.

    The measure is the cosine of the texts' sets of words under inverse document frequency (Sparck
    Jones 1972): 1 for equal sets, 0 where nothing is shared.
    """

    def __init__(self) -> None:
        self._texts = 0
        self._holding: Counter[str] = Counter()

    def add(self, words: Iterable[str]) -> None:
        """Count a text by its set of words."""
        self._texts += 1
        self._holding.update(set(words))

    def likeness(self, one: frozenset[str], other: frozenset[str]) -> float:
        """Between 0 and 1."""
        shared = self._weight(one & other)
        return shared / math.sqrt(self._weight(one) * self._weight(other)) if shared else 0.0

    def _weight(self, words: frozenset[str]) -> float:
        # Sorted: a sum of floats depends on its order, and a set has none.
        return sum(
            math.log(1 + (1 + self._texts) / (1 + self._holding[word])) ** 2
            for word in sorted(words)
        )


def shared_words(one: str, other: str) -> float:
    """Share of all the words of two texts that stands in both; 1 for two without words."""
    mine, theirs = set(plain_words(one)), set(plain_words(other))
    return len(mine & theirs) / len(mine | theirs) if mine | theirs else 1.0
