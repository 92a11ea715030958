"""Words of strangers (subtitles, captions, tags) as one plain line.

Neither control nor formatting characters survive, so a line can neither break out of its place nor
turn the direction of what follows.
"""

import re
import unicodedata

_UNSEEN = {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}
# Joiners belong to the spelling of Persian, Indic scripts and emoji.
_JOINERS = {"\u200c", "\u200d"}
_TAG_OPENING = re.compile(r"<(?=[^\s\d=<])")


def plain(text: str, max_characters: int) -> str:
    """One line without unseen characters, white space collapsed, shortened with "…"."""
    line = text[: 8 * max_characters]
    if not line.isprintable():
        line = "".join(" " if _unseen(char) else char for char in line)
    line = " ".join(line.split())
    return line if len(line) <= max_characters else line[: max_characters - 1].rstrip() + "…"


def untagged(text: str) -> str:
    """Text that opens neither a tag nor a special token: `<tool_call>` becomes `‹tool_call>`."""
    return _TAG_OPENING.sub("‹", text)


def _unseen(char: str) -> bool:
    return unicodedata.category(char) in _UNSEEN and char not in _JOINERS
