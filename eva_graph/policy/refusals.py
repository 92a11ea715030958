"""Reading the error texts of servers and providers, which differ in words and agree in meaning."""

from __future__ import annotations

import re

_SHOWN_CHARACTERS = 300
_OVERFLOW = re.compile(
    r"context[ _](length|size|window)|maximum model length|max_model_len|"
    r"(prompt|input) is too long",
    re.IGNORECASE,
)


def is_overflow(text: str) -> bool:
    """Whether an error text says that the prompt exceeds the context."""
    return _OVERFLOW.search(text) is not None


def one_line(text: str) -> str:
    """The text without line breaks, at most 300 characters of it."""
    return " ".join(text.split())[:_SHOWN_CHARACTERS]
