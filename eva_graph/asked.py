"""What a caller asks, checked, in the one form that the graph's state holds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from os import PathLike, fspath
from string import ascii_uppercase
from typing import Any, TypeAlias

from eva_graph.errors import InvalidRequest

Options: TypeAlias = Sequence[str] | Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Asked:
    """A question about a video; `options` by letter, empty where it is open."""

    video: str
    question: str
    options: dict[str, str]
    subtitles: str | None = None

    @classmethod
    def of(
        cls, video: object, question: object, options: object = None, subtitles: object = None
    ) -> Asked:
        """Check what was given.

        Args:
            video: path of the video file.
            question: in plain words.
            options: None, a list of texts (lettered A, B, …), or texts by letter.
            subtitles: None, or path of a subtitle file.

        Raises:
            InvalidRequest: one of them cannot be used; one line.
        """
        path = _path(video)
        if path is None:
            raise InvalidRequest(f"video must be the path of a video file, not {video!r}")
        subtitle_file = _path(subtitles)
        if subtitles is not None and subtitle_file is None:
            raise InvalidRequest(f"subtitles must be the path of a file, not {subtitles!r}")
        if not isinstance(question, str) or not question.strip():
            raise InvalidRequest("the question is empty: ask something in plain words")
        by_letter = _by_letter(options)
        if not _is_unicode(question, *by_letter, *by_letter.values()):
            raise InvalidRequest("the question is not valid Unicode text")
        return cls(path, question, by_letter, subtitle_file)


def _path(value: object) -> str | None:
    path = fspath(value) if isinstance(value, str | PathLike) else None
    return path if isinstance(path, str) else None


def _by_letter(options: Any) -> dict[str, str]:
    if options is None:
        return {}
    if isinstance(options, Mapping):
        named = {str(letter).strip(): str(text) for letter, text in options.items()}
    elif isinstance(options, Sequence) and not isinstance(options, str | bytes):
        if len(options) > len(ascii_uppercase):
            raise InvalidRequest(f"options may be at most {len(ascii_uppercase)} texts")
        named = dict(zip(ascii_uppercase, map(str, options), strict=False))
    else:
        raise InvalidRequest(f"options must be a list of texts, or texts by letter: {options!r}")
    if len(named) < 2:
        raise InvalidRequest("options must offer at least two choices")
    if not all(letter and text.strip() for letter, text in named.items()):
        raise InvalidRequest("every option needs a letter and a text")
    return named


def _is_unicode(*texts: str) -> bool:
    return not any("\ud800" <= char <= "\udfff" for text in texts for char in text)
