"""Values as mails show them: names, moments, sizes, numbers."""

from __future__ import annotations

import unicodedata
from datetime import UTC, datetime

LONGEST_NAME = 60  # a greeting and a subject stay on one line of 78 characters, RFC 5322 section 2.1.1

_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_UNITS = ("KB", "MB", "GB", "TB")
_JOINERS = "\u200c\u200d"  # Persian and Indic words and joined emoji need these two format characters


def name_of(text: str, longest: int = LONGEST_NAME) -> str:
    """Text of an account or an operator as one line that does no more than name something.

    Control characters, line ends and format characters (U+202E turns what follows it around) are gone,
    halves of surrogate pairs are U+FFFD, and what is longer than `longest` ends in an ellipsis.
    """
    shown = " ".join("".join(_shown(character) for character in text).split())
    if len(shown) > longest:
        shown = shown[: longest - 1].rstrip(f" {_JOINERS}") + "…"
    return shown


def _shown(character: str) -> str:
    match unicodedata.category(character):
        case "Cc" | "Zl" | "Zp":
            return " "
        case "Cf":
            return character if character in _JOINERS else ""
        case "Cs" | "Cn":
            return "\ufffd"
        case _:
            return character


def moment(value: datetime) -> str:
    """`22 Nov 2026, 10:11:12 UTC`: no reader takes the day for the month or the zone for the own one."""
    at = value.astimezone(UTC)
    return f"{at.day} {_MONTHS[at.month - 1]} {at.year}, {at:%H:%M:%S} UTC"


def size(count: int) -> str:
    """`512 bytes`, `139.6 KB`, …, with 1 KB = 1024 bytes, as file managers and the Backups tab count."""
    if count < 1024:
        return f"{count} byte{'' if count == 1 else 's'}"
    tenths, unit = (count * 10 + 512) // 1024, 0
    while tenths >= 10240 and unit < len(_UNITS) - 1:
        unit += 1
        tenths = (count * 10 + 1024 ** (unit + 1) // 2) // 1024 ** (unit + 1)
    return f"{tenths // 10}.{tenths % 10} {_UNITS[unit]}"
