"""ROUGE-1, ROUGE-2 and ROUGE-L as F1, and their mean: how EVA rewards open answers.

Lin 2004 (ROUGE); the mean of the three is `r_rouge` of EVA's reward. Words are runs of letters and
digits in any script, without case; no stemming, no stop words. On plain English this is what the
`rouge-score` package computes without its stemmer.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from typing import Final, NamedTuple

MAX_WORDS: Final = 2_000
"""Of each text; ROUGE-L takes time in the product of both lengths."""
_WORD = re.compile(r"[^\W_]+")


class Rouge(NamedTuple):
    """F1 of the three measures, each between 0 and 1."""

    rouge1: float
    rouge2: float
    rouge_l: float

    @property
    def mean(self) -> float:
        """The mean of the three."""
        return sum(self) / len(self)


def rouge(answer: str, expected: str) -> Rouge:
    """The measures of an answer against the expected one; the first `MAX_WORDS` words count."""
    given, wanted = _words(answer), _words(expected)
    return Rouge(
        rouge1=_overlap(given, wanted, 1),
        rouge2=_overlap(given, wanted, 2),
        rouge_l=_f1(_longest_common(given, wanted), len(given), len(wanted)),
    )


def _words(text: str) -> list[str]:
    return _WORD.findall(text.casefold())[:MAX_WORDS]


def _overlap(given: Sequence[str], wanted: Sequence[str], size: int) -> float:
    mine, theirs = _grams(given, size), _grams(wanted, size)
    return _f1((mine & theirs).total(), mine.total(), theirs.total())


def _grams(words: Sequence[str], size: int) -> Counter[tuple[str, ...]]:
    return Counter(zip(*(words[start:] for start in range(size)), strict=False))


def _f1(shared: int, given: int, wanted: int) -> float:
    return 2 * shared / (given + wanted) if given + wanted else 0.0


def _longest_common(given: Sequence[str], wanted: Sequence[str]) -> int:
    """Length of the longest common subsequence."""
    row = [0] * (len(wanted) + 1)
    for word in given:
        diagonal = 0
        for column, other in enumerate(wanted, start=1):
            above = row[column]
            row[column] = diagonal + 1 if word == other else max(above, row[column - 1])
            diagonal = above
    return row[-1]
