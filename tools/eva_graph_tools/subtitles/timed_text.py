"""SubRip (.srt) and WebVTT (.vtt): both are text under lines of `start --> end`.

Read as forgivingly as players do: hours and counters may be missing, decimals follow a comma or a
point, blank lines between cues may be missing, and what is not a cue is skipped.
"""

import re
from collections.abc import Iterator

from eva_graph_tools.subtitles.cues import MAX_CUES, Cue, clean

_TIME = r"(-?)(?:(\d{1,6}):)?(\d{1,6}):(\d{1,2})(?:[.,](\d{1,9}))?"
_TIMING = re.compile(rf"\s*{_TIME}\s*-->\s*{_TIME}(?:\s.*)?", re.ASCII)
_ARROW = "-->"
_COUNTER = re.compile(r"\s*\d{1,9}\s*", re.ASCII)


def parse_timed_text(text: str) -> tuple[list[Cue], int]:
    """Cues in the order of the file, `MAX_CUES` at most, and how many could not be read."""
    cues: list[Cue] = []
    unread = 0
    for timing, lines in _blocks(text):
        match = _TIMING.fullmatch(timing)
        if match is None:
            unread += 1
            continue
        groups = match.groups()
        start, end = _seconds(groups[:5]), _seconds(groups[5:])
        cues.append(Cue(start, end, clean(" ".join(lines))))
        if len(cues) == MAX_CUES:
            break
    return cues, unread


def _blocks(text: str) -> Iterator[tuple[str, list[str]]]:
    """Every timing line with the lines of text below it."""
    timing: str | None = None
    lines: list[str] = []
    ended = False
    for line in text.splitlines():
        if _ARROW in line:
            if timing is not None:
                if not ended and lines and _COUNTER.fullmatch(lines[-1]):
                    lines.pop()  # the counter of the cue that begins here
                yield timing, lines
            timing, lines, ended = line, [], False
        elif not line.strip():
            ended = True
        elif not ended:
            lines.append(line)
    if timing is not None:
        yield timing, lines


def _seconds(groups: tuple[str | None, ...]) -> float:
    sign, hours, minutes, seconds, decimals = groups
    whole = int(hours or 0) * 3600 + int(minutes or 0) * 60 + int(seconds or 0)
    value = whole + float(f"0.{decimals or 0}")
    return -value - 1e-9 if sign else value
