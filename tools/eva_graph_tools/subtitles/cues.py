"""`Cue`: one subtitle, and how its text becomes one harmless line."""

import html
import re
from collections.abc import Iterable
from dataclasses import dataclass

from eva_graph_tools.plain_text import plain, untagged

MAX_CUES = 200_000
MAX_CUE_CHARACTERS = 500
_STYLING = re.compile(
    r"</?(?:i|b|u|s|c|v|font|lang|ruby|rt|span)(?:[\s.][^<>]{0,200})?/?>|<[\d:.]{5,15}>", re.I
)
_BREAK = re.compile(r"<br\s*/?>", re.I)
_VOICE = re.compile(r"<v(?:\.[^\s<>]{1,80})?\s+([^<>]{1,80})>", re.I)
_OVERRIDE = re.compile(r"\{\\[^{}]{0,500}\}")


@dataclass(frozen=True, slots=True)
class Cue:
    """One line of a transcript.

    Attributes:
        start_seconds, end_seconds: when it is shown, from the video's first frame.
        text: one line; see `clean`.
    """

    start_seconds: float
    end_seconds: float
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CueList:
    """What a subtitle source holds.

    Attributes:
        cues: in order of their start; they may overlap.
        dropped: how many were left out because their times were negative, reversed or none.
    """

    cues: tuple[Cue, ...]
    dropped: int = 0


def clean(text: str) -> str:
    """One line without styling, of at most `MAX_CUE_CHARACTERS`; a voice becomes "Name: ".

    Tags that are no styling stay readable and are no tags any more (`untagged`).
    """
    bounded = _OVERRIDE.sub("", text[: 8 * MAX_CUE_CHARACTERS])
    bare = _STYLING.sub("", _VOICE.sub(r" \1: ", _BREAK.sub(" ", bounded)))
    return untagged(plain(html.unescape(bare), MAX_CUE_CHARACTERS))


def ordered(cues: Iterable[Cue], dropped: int, shift_seconds: float = 0.0) -> CueList:
    """Cues with a text and possible times, in order, `shift_seconds` later.

    Those that end before the video begins are left out without being counted.
    """
    kept: list[Cue] = []
    for cue in cues:
        if not 0 <= cue.start_seconds <= cue.end_seconds:
            dropped += 1
            continue
        start, end = cue.start_seconds + shift_seconds, cue.end_seconds + shift_seconds
        if cue.text and end >= 0:
            kept.append(Cue(max(0.0, start), end, cue.text))
    kept.sort(key=lambda cue: (cue.start_seconds, cue.end_seconds))
    return CueList(cues=tuple(kept), dropped=dropped)
