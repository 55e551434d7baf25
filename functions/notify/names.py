"""Names as mails show them."""

from __future__ import annotations

import unicodedata

LONGEST_NAME = 60  # a greeting and a subject stay on one line of 78 characters, RFC 5322 section 2.1.1

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
