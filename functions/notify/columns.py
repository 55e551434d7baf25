"""Plain text in lines of so many columns, as terminals and mail clients with fixed-width fonts count them."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator

_ZWJ = "\u200d"


def columns_of(text: str) -> int:
    """East Asian wide characters and emoji take two columns, marks on other characters none (UAX #11)."""
    return sum(map(_columns, text))


def wrapped(text: str, width: int) -> str:
    """The text in lines of at most `width` columns, broken at spaces; no-break spaces are none.

    A word that no line could hold, as whole sentences in Chinese are, is broken between its characters.
    """
    lines = [""]
    used = 0
    for word in text.split(" "):
        taken = columns_of(word)
        gap = " " if lines[-1] else ""
        if taken > width:
            for character in _characters(gap + word):
                if used + columns_of(character) > width:
                    lines.append("")
                    used = 0
                lines[-1] += character
                used += columns_of(character)
        elif used + len(gap) + taken > width:
            lines.append(word)
            used = taken
        else:
            lines[-1] += gap + word
            used += len(gap) + taken
    return "\n".join(line.strip(" ") for line in lines)


def _characters(text: str) -> Iterator[str]:
    """What a reader takes for one character: with the marks on it, and joined emoji as one."""
    whole = ""
    for part in text:
        if whole and _columns(part) and not whole.endswith(_ZWJ):
            yield whole
            whole = ""
        whole += part
    yield whole


def _columns(character: str) -> int:
    if unicodedata.category(character) in ("Mn", "Me", "Cf"):
        return 0
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1
