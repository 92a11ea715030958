"""Which option an answer means, in the many ways that policies write one.

In this order: nothing but a letter ("b", "(B)", "**B**"); an option's text; a letter before a text
("B. Green"); a letter that is said to be the answer ("The answer is B, because …"); one letter
alone in the prose; one option's text in the prose. Whatever points to several options chooses
none: a guess would flatter the policy. Letters that are denied ("not B") do not count.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from typing import Final, NamedTuple

MAX_CHARACTERS: Final = 20_000
"""The end of a longer answer counts: conclusions stand there."""

_TAGS = re.compile(r"</?(?:answer|final_answer|think)>|\\(?:boxed|text|textbf|mathbf|mathrm)\b")
_MARKS = re.compile(r"[*_`#${}~\"“”«»]+")
_SPACES = re.compile(r"[^\S\n]+")
_BREAKS = re.compile(r" ?\n\s*")
_BARE = re.compile(
    r"(?:(?:option|choice|answer)\b\s*:?\s*)?[\s(\[<]*([A-Za-z])[\s)\]>.,:;!]*", re.I
)
_LEADING = re.compile(
    r"(?:option |choice )?[(\[]?([A-Za-z])(?:[)\].:]+|,| [-–—])\s+(.+)", re.I | re.DOTALL
)
_END = r"(?=\s*(?:$|[.,:;!?)\]\-–—/&]|because\b|since\b|as\b|for\b|(?:or|and) [(\[]?[A-Z]\b)|\n)"
_STATED = re.compile(
    r"\b(?:answer|option|choice|letter)\b"
    r"(?:\s+(?:is|would be|should be|must be|to choose is|seems to be))?\s*:?\s*"
    r"(?:therefore\s+|thus\s+|clearly\s+|option\s+|choice\s+|letter\s+)?[(\[]?"
    rf"(?:([B-HJ-Z])\b(?![’'])|([A-Za-z]){_END})",
    re.IGNORECASE,
)
_ALONE = re.compile(rf"(?<![\w’'])(?:[(\[]([A-Z])[)\]]|([B-HJ-Z])(?![\w’'])|([AI]){_END})")
_OTHER = re.compile(
    r"\s*[)\]]?\s*(?:\bor\b|\band\b|[/,&])\s*(?:option\s+|choice\s+)?[(\[]?"
    rf"(?:([B-HJ-Z])(?![\w’'])|([AI]){_END})"
)
_DENIED = re.compile(r"(?:\bnot|n[’']t|\bneither|\bnor|\bexcept|\brather than)\s+(?:be\s+)?$", re.I)
_CITED = re.compile(r"\[\d+:\d{2}(?:\.\d{3})?\]")
_DENIAL_CHARACTERS: Final = 24


class Choice(NamedTuple):
    """What an answer chooses: a letter, or None, and what made it out."""

    letter: str | None
    how: str


def chosen_option(answer: str, options: Mapping[str, str]) -> Choice:
    """The option that an answer means.

    Args:
        answer: what the policy wrote.
        options: texts by letter, of which letters are single capitals.
    """
    text = _plain(answer)
    if not text:
        return Choice(None, "empty")
    bare = _BARE.fullmatch(text)
    if bare is not None and bare.group(1).upper() in options:
        return Choice(bare.group(1).upper(), "letter")
    texts = {letter: _key(option) for letter, option in options.items()}
    same = [letter for letter, option in texts.items() if option and option == _key(text)]
    if same:
        return _only(same, "option text")
    leading = _leading(text, texts)
    if leading is not None:
        return leading
    stated = _letters(_STATED, text, options)
    if stated:
        return _only(stated, "stated letter")
    return _in_prose(text, options, texts)


def _leading(text: str, texts: Mapping[str, str]) -> Choice | None:
    """A letter before a text, unless the text is another option's or names a letter itself."""
    match = _LEADING.fullmatch(text)
    if match is None or match.group(1).upper() not in texts:
        return None
    letter, rest = match.group(1).upper(), _key(match.group(2))
    others = [key for key, option in texts.items() if option and option == rest]
    if others and letter not in others:
        return Choice(None, "ambiguous: letter and text disagree")
    later = set(_letters(_STATED, match.group(2), texts)) - {letter}
    if later or _OTHER.match(text, match.end(1)) is not None:
        return Choice(None, "ambiguous: several letters")
    return Choice(letter, "leading letter")


def _in_prose(text: str, options: Mapping[str, str], texts: Mapping[str, str]) -> Choice:
    alone = _letters(_ALONE, text, options)
    named = _named(_key(_CITED.sub(" ", text)), texts)
    found = list(dict.fromkeys([*alone, *named]))
    if not found:
        return Choice(None, "no option named")
    return _only(found, "letter in prose" if alone else "option text in prose")


def _letters(pattern: re.Pattern[str], text: str, options: Mapping[str, str]) -> list[str]:
    """Different letters of options that a pattern finds and nothing before them denies."""
    found = []
    for match in pattern.finditer(text):
        letter = next(group for group in match.groups() if group).upper()
        place = next(number for number in range(1, 4) if match.group(number))
        before = text[max(0, match.start(place) - _DENIAL_CHARACTERS) : match.start(place)]
        if letter not in options or _DENIED.search(before.rstrip("([")):
            continue
        other = _OTHER.match(text, match.end(place))
        found += [letter] if other is None else [letter, other.group(1) or other.group(2)]
    return list(dict.fromkeys(found))


def _named(text: str, texts: Mapping[str, str]) -> list[str]:
    """Options whose whole text stands in the answer; parts of a longer one that does are not."""
    inside = {
        letter: option
        for letter, option in texts.items()
        if option and f" {option} " in f" {text} "
    }
    return [
        letter
        for letter, option in inside.items()
        if not any(option != other and f" {option} " in f" {other} " for other in inside.values())
    ]


def _only(letters: list[str], how: str) -> Choice:
    if len(letters) == 1:
        return Choice(letters[0], how)
    return Choice(None, f"ambiguous: {how} of {', '.join(sorted(letters))}")


def _plain(text: str) -> str:
    """Without tags, markdown and LaTeX around words, spaces and line breaks single."""
    plain = unicodedata.normalize("NFKC", text[-MAX_CHARACTERS:])
    one_spaced = _SPACES.sub(" ", _MARKS.sub("", _TAGS.sub(" ", plain)))
    return _BREAKS.sub("\n", one_spaced).strip()


def _key(text: str) -> str:
    """Words alone, without case: what makes two texts the same."""
    plain = _plain(text).casefold()
    return " ".join("".join(char if char.isalnum() else " " for char in plain).split())
