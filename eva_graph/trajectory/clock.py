"""Times in records: UTC, ISO 8601, microseconds. As texts they compare like the times they are."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Annotated, TypeAlias

from pydantic import AfterValidator


def utc_now(*, after: str = "") -> str:
    """The time as records hold it.

    Args:
        after: a time of another clock, which may be ahead of this one; the result is later.
    """
    now = _text(datetime.now(UTC))
    return now if now > after else _text(datetime.fromisoformat(after) + timedelta(microseconds=1))


def _text(time: datetime) -> str:
    return time.astimezone(UTC).isoformat(timespec="microseconds")


def _as_written(text: str) -> str:
    if _text(datetime.fromisoformat(text)) != text:
        raise ValueError(f"{text!r:.60} is no time in UTC to the microsecond")
    return text


Moment: TypeAlias = Annotated[str, AfterValidator(_as_written)]
"""A time as `utc_now` writes it."""
