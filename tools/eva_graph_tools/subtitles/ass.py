"""Advanced SubStation Alpha (.ass, .ssa): `Dialogue:` lines under a `Format:` of their fields."""

import re

from eva_graph_tools.subtitles.cues import MAX_CUES, Cue, clean

_FIELDS = ["layer", "start", "end", "style", "name", "marginl", "marginr", "marginv", "effect"]
_TIME = re.compile(r"\s*(\d{1,6}):(\d{1,2}):(\d{1,2})(?:[.,:](\d{1,9}))?\s*", re.ASCII)
_OVERRIDES = re.compile(r"\{[^{}]*\}")
_DRAWING = re.compile(r"\\p[1-9]")
_BREAKS = re.compile(r"\\[Nnh]")


def parse_ass(text: str) -> tuple[list[Cue], int]:
    """Cues in the order of the file, `MAX_CUES` at most, and how many could not be read."""
    fields = [*_FIELDS, "text"]
    cues: list[Cue] = []
    unread = 0
    for line in text.splitlines():
        kind, _, rest = line.partition(":")
        match kind.strip().lower():
            case "format" if "text" in rest.lower():
                fields = [name.strip().lower() for name in rest.split(",")]
            case "dialogue":
                cue = _cue(rest, fields)
                unread += cue is None
                cues += [cue] if cue is not None else []
        if len(cues) == MAX_CUES:
            break
    return cues, unread


def dialogue_text(text: str) -> str:
    """The words of a dialogue's text field: drawings have none."""
    if _DRAWING.search(text):
        return ""
    return clean(_BREAKS.sub(" ", _OVERRIDES.sub("", text)))


def _cue(rest: str, fields: list[str]) -> Cue | None:
    values = dict(zip(fields, rest.split(",", len(fields) - 1), strict=False))
    start, end = _TIME.fullmatch(values.get("start", "")), _TIME.fullmatch(values.get("end", ""))
    if start is None or end is None or "text" not in values:
        return None
    return Cue(_seconds(start), _seconds(end), dialogue_text(values["text"]))


def _seconds(match: re.Match[str]) -> float:
    hours, minutes, seconds, decimals = match.groups()
    return int(hours) * 3600 + int(minutes) * 60 + int(seconds) + float(f"0.{decimals or 0}")
