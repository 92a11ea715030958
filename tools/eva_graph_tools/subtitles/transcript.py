"""`Transcript`: the lines of one subtitle track, to read by time and to search.

The rule of a search: words are compared without case and accents. A line scores, for every word of
the query, that word's weight if it holds it, half of it if it only holds a longer word that begins
with it; the weight is log(1 + lines / lines that hold it), so rare words count for more. Words of
scripts without spaces are found inside longer ones. Better lines come first, equal ones by time.
"""

import math
import re
import unicodedata
from bisect import bisect_left
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property

from eva_graph_tools.subtitles.cues import Cue

_WORD = re.compile(r"[^\W_]+")
_LEAST_BEGINNING = 3
_MAX_QUERY_WORDS = 20
_UNSPACED_FROM = "\u0e00"  # Thai and what follows it in Unicode, East Asian scripts included


@dataclass(frozen=True, kw_only=True)  # no slots: the words are looked up once
class Transcript:
    """Lines of one track.

    Attributes:
        label: what the track is called, "en (srt)".
        language: "en", "pt-BR", …; None where nobody says.
        cues: in order of their start; they may overlap.
        dropped: how many lines were left out because their times are impossible.
    """

    label: str
    language: str | None
    cues: tuple[Cue, ...]
    dropped: int = 0

    def between(self, start_seconds: float, end_seconds: float) -> list[Cue]:
        """Lines that are shown at some time of a range, in order of their start."""
        until = bisect_left(self.cues, end_seconds, key=lambda cue: cue.start_seconds)
        return [cue for cue in self.cues[:until] if _reaches(cue, start_seconds)]

    def search(
        self, query: str, *, start_seconds: float = 0.0, end_seconds: float = math.inf
    ) -> list[Cue]:
        """Lines that have words of the query, best first; see the module for the rule."""
        scores: dict[int, float] = {}
        for word in words(query)[:_MAX_QUERY_WORDS]:
            whole = self._lines_with.get(word, frozenset())
            longer = self._lines_with_longer(word) - whole
            if not whole and not longer:
                continue
            weight = math.log(1 + len(self.cues) / len(whole or longer))
            for lines, part in ((whole, 1.0), (longer, 0.5)):
                for line in lines:
                    scores[line] = scores.get(line, 0.0) + part * weight
        inside = dict.fromkeys(self.between(start_seconds, end_seconds))
        best = sorted(scores, key=lambda line: (-scores[line], line))
        return [self.cues[line] for line in best if self.cues[line] in inside]

    @cached_property
    def _lines_with(self) -> dict[str, frozenset[int]]:
        lines: dict[str, set[int]] = {}
        for number, cue in enumerate(self.cues):
            for word in words(cue.text):
                lines.setdefault(word, set()).add(number)
        return {word: frozenset(numbers) for word, numbers in lines.items()}

    @cached_property
    def _vocabulary(self) -> list[str]:
        return sorted(self._lines_with)

    def _lines_with_longer(self, word: str) -> frozenset[int]:
        found: Iterable[str] = ()
        if max(word) >= _UNSPACED_FROM:
            found = (known for known in self._vocabulary if word in known)
        elif len(word) >= _LEAST_BEGINNING:
            first = bisect_left(self._vocabulary, word)
            last = bisect_left(self._vocabulary, word + "\U0010ffff")
            found = self._vocabulary[first:last]
        return frozenset[int]().union(*(self._lines_with[known] for known in found))


def _reaches(cue: Cue, seconds: float) -> bool:
    return cue.end_seconds > seconds or cue.start_seconds >= seconds


def words(text: str) -> list[str]:
    """Distinct words without case and accents, in their order."""
    bare = text.casefold()
    if not bare.isascii():
        apart = unicodedata.normalize("NFKD", bare)
        bare = "".join(char for char in apart if not unicodedata.combining(char))
    return list(dict.fromkeys(_WORD.findall(bare)))
