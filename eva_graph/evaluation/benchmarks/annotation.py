"""What a layout makes of a row, before anything is repaired, and how fields are read from a row."""

from __future__ import annotations

import ast
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from string import ascii_uppercase
from typing import Any, Final

from eva_graph.evaluation.benchmarks.annotation_files import Row

_LETTERS: Final = frozenset(ascii_uppercase)
_MOST: Final = len(ascii_uppercase)


@dataclass(frozen=True, slots=True, kw_only=True)
class Annotation:
    """One question as its file has it.

    Attributes:
        row: where it stands.
        question_id: the set's own name of the question, if it has one.
        video: name, path or id of the video.
        text: the question; `options` are in it where `options` is None.
        options: texts by letter where the file has them apart; empty for an open question.
        answer: as written: a letter, an option's text, or a free answer.
        stretches: the time reference, as written.
        subtitles: name of the subtitle file.
        duration_bucket: see `EvalQuestion`.
        question_types: see `EvalQuestion`.
        prompt: the whole text that the released harness sends, where the file has it.
    """

    row: Row
    video: str
    text: str
    question_id: str | None = None
    options: Mapping[str, str] | None = field(default_factory=dict)
    answer: str | None = None
    stretches: Any = None
    subtitles: str | None = None
    duration_bucket: str | None = None
    question_types: tuple[str, ...] = ()
    prompt: str | None = None


def text_field(row: Row, *names: str) -> str | None:
    """The first of the fields that is there, as text; None without one.

    Raises:
        InvalidRequest: it is no text or number.
    """
    for name in names:
        value = row.values.get(name)
        if value is None or (isinstance(value, str) and not value.strip()):
            continue
        if isinstance(value, bool) or not isinstance(value, str | int | float):
            raise row.fault(f"`{name}` must be text, not {type(value).__name__}")
        text = str(value)
        if any("\ud800" <= letter <= "\udfff" for letter in text):
            raise row.fault(f"`{name}` is not valid Unicode text")
        return text
    return None


def needed(row: Row, *names: str) -> str:
    """The first of the fields that is there, as text; an error without one."""
    text = text_field(row, *names)
    if text is None:
        raise row.fault(f"has no `{names[0]}`")
    return text


def types_of(value: Any) -> tuple[str, ...]:
    """Question types: one, a list of them, or a list in the text of a list (LVBench)."""
    if isinstance(value, str) and value.startswith("["):
        try:
            value = ast.literal_eval(value)
        except (ValueError, SyntaxError, MemoryError, RecursionError):
            return (value,)
    if isinstance(value, Sequence) and not isinstance(value, str):
        return tuple(str(one) for one in value)
    return () if value is None or value == "" else (str(value),)


def lettered(row: Row, value: Any) -> dict[str, str]:
    """Options by letter, from texts by letter or from a list whose texts may carry their letters.

    Raises:
        InvalidRequest: neither, letters that are none, or fewer than two options.
    """
    if isinstance(value, Mapping):
        texts = {str(letter).strip().upper(): text for letter, text in value.items()}
        options = {letter: str(text) for letter, text in texts.items() if text is not None}
    elif isinstance(value, Sequence) and not isinstance(value, str) and len(value) <= _MOST:
        options = _unmarked(dict(zip(ascii_uppercase, map(str, value), strict=False)))
    else:
        raise row.fault(f"options must be texts by letter or a list of at most {_MOST}")
    if len(options) < 2 or not all(letter in _LETTERS for letter in options):
        raise row.fault("options need two texts or more, by letters from A to Z")
    return options


def _unmarked(named: dict[str, str]) -> dict[str, str]:
    """The texts without their letters, where all of them carry them."""
    marked = all(
        text.startswith((f"{letter}. ", f"{letter}: ", f"({letter}) "))
        for letter, text in named.items()
    )
    return {key: text.partition(" ")[2] if marked else text for key, text in named.items()}
