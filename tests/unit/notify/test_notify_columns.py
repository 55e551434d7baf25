"""Plain text in lines of so many columns."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from functions.notify.columns import columns_of, wrapped

DEVANAGARI = "\u0915\u094d\u0937\u093f"
FAMILY = "\U0001f468\u200d\U0001f469\u200d\U0001f467"


@pytest.mark.parametrize(
    ("text", "columns"),
    [("", 0), ("abc", 3), ("校正", 4), ("ｶ", 1), ("Ａ", 2), ("e\u0301", 1), ("محمد", 4), ("👍", 2)],
)
def test_wide_characters_take_two_columns_and_marks_none(text: str, columns: int) -> None:
    assert columns_of(text) == columns


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        ("", [""]),
        ("one two", ["one two"]),
        ("one two three four", ["one two", "three four"]),
        ("12345 1234", ["12345 1234"]),
        ("12345 12345", ["12345", "12345"]),
        ("a\u00a0b\u00a0c 1\u202f234", ["a\u00a0b\u00a0c", "1\u202f234"]),
        ("self-evident truth", ["self-evide", "nt truth"]),
        ("校正校正校正校正", ["校正校正校", "正校正"]),
        ("Your 校正校正校正校正 is", ["Your 校正", "校正校正校", "正 is"]),
        ("e\u0301" * 11, ["e\u0301" * 10, "e\u0301"]),
        (FAMILY + "👍👍👍", [FAMILY + "👍👍", "👍"]),
    ],
)
def test_lines_break_at_spaces_and_within_words_that_no_line_holds(text: str, lines: list[str]) -> None:
    assert wrapped(text, 10).split("\n") == lines


@given(st.text(st.sampled_from(f"ab 校\u00a0e\u0301👍\u200d{DEVANAGARI}م")))
def test_no_line_is_too_wide_and_nothing_is_lost(text: str) -> None:
    lines = wrapped(text, 12).split("\n")
    assert "".join(lines).replace(" ", "") == text.replace(" ", "")
    # Joined emoji are one character, however wide this font counts them.
    assert all(columns_of(line) <= 12 or "\u200d" in line for line in lines)
