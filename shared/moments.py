"""Moments: aware UTC datetimes in code, ISO 8601 with `Z` in records, archives and answers."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

Clock = Callable[[], datetime]


def utc_now() -> datetime:
    """The clock that handlers hand to everything below them."""
    return datetime.now(UTC)


def to_text(moment: datetime) -> str:
    """`2026-11-22T10:11:12Z`, or with milliseconds where there are any."""
    precision = "milliseconds" if moment.microsecond else "seconds"
    return moment.astimezone(UTC).isoformat(timespec=precision).replace("+00:00", "Z")


def from_text(text: str) -> datetime:
    """The inverse. Raises ValueError for text that is no ISO 8601 moment with a time zone."""
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        raise ValueError("a moment without a time zone")
    try:
        return moment.astimezone(UTC)
    except OverflowError:
        raise ValueError("a moment before the year 1 or after 9999") from None
