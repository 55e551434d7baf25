"""CSV: what a recipient reads back is what the source held, in every encoding."""

import csv
import io
import re
from collections import Counter

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from functions.export_backup.catalogue import Cell, Column, Kind, Row, Table
from functions.export_backup.cells import CsvMember
from functions.export_backup.encodings import encoding
from functions.export_backup.page import Page
from shared.encodings import ENCODING_NAMES
from tests.reading import csv_lines, undo, undo_escape

TABLE = Table(
    name="THINGS",
    member="things.csv",
    element="thing",
    key_parts=1,
    columns=(
        Column("id", "id", Kind.TYPED),
        Column("text", "text", Kind.TEXT),
        Column("tags", "tags", Kind.LIST, item="tag"),
    ),
)

# Everything that the rules are about, often, among any other character, surrogates included.
TEXTS = st.text(
    st.one_of(
        st.sampled_from("'=+-@\t\r\n＝＋－＠\",;\\u{}4D1F \x00\x0b\x1a\x85\u2028\ufffe\uffff\ud800¥‾ㅤ똠é😀一"),
        st.characters(),
        st.characters(categories=["Cs"]),
    ),
    max_size=12,
) | st.sampled_from(["\\u{41}", "'\\u{5C}u{41}", "\\u{1F600}😀", "\\u{FFFFFFF}", "\\u{d}", "'=", "''＝x"])
NAMES = pytest.mark.parametrize("name", ENCODING_NAMES)


def a_page(rows: list[Row]) -> Page:
    none: list[Cell] = [None] * len(rows)
    return Page([""] * len(rows), none, none, [[row[place] for row in rows] for place in range(3)])


def written(rows: list[Row], name: str = "utf-8", page: int = 1000) -> tuple[bytes, CsvMember]:
    member = CsvMember(TABLE, encoding(name))
    pages = [member.page(a_page(rows[start : start + page])) for start in range(0, len(rows), page)]
    return member.opening() + b"".join(pages), member


def text_cell(text: str, name: str = "utf-8") -> str:
    """The text's cell as a spreadsheet would show it."""
    content, _ = written([("1", text, None)], name)
    return csv_lines(content, name)[1][1]


@NAMES
@given(rows=st.lists(st.tuples(TEXTS, TEXTS), max_size=6), page=st.integers(1, 4))
@example(rows=[("1", "'＝1"), ("2", "＝1"), ("3", "''=1")], page=1)
def test_every_text_comes_back_in_every_encoding(name: str, rows: list[tuple[str, str]], page: int) -> None:
    content, _ = written([(typed, text, None) for typed, text in rows], name, page)
    header, *lines = csv_lines(content, name)
    assert header == ["id", "text", "tags"]
    assert [(undo_escape(line[0]), undo(line[1])) for line in lines] == rows


@given(rows=st.lists(st.tuples(TEXTS, TEXTS, st.none() | st.lists(TEXTS, max_size=3).map(tuple)), max_size=6))
def test_the_bytes_are_those_of_csv_writer_with_guard_and_escape(rows: list[Row]) -> None:
    content, _ = written(rows)
    expected = io.StringIO(newline="")
    writer = csv.writer(expected)
    writer.writerow(["id", "text", "tags"])
    for typed, text, tags in rows:
        cells = [escaped(str(typed)), guarded(escaped(str(text))), guarded(escaped(", ".join(tags or ())))]
        writer.writerow(cells)
    assert content == expected.getvalue().encode()


def escaped(text: str) -> str:
    """The rule in the simplest words, for UTF-8."""
    text = re.sub(r"\\(?=u\{[0-9A-F]{1,6}\})", r"\\u{5C}", text)
    return "".join(f"\\u{{{ord(c):X}}}" if "\ud800" <= c <= "\udfff" else c for c in text)


def guarded(text: str) -> str:
    return f"'{text}" if re.match("'*[=+\\-@\t\r\n＝＋－＠]", text) else text


@NAMES
@given(text=TEXTS)
def test_no_text_cell_begins_with_what_a_spreadsheet_would_run(name: str, text: str) -> None:
    assert text_cell(text, name)[:1] not in tuple("=+-@\t\r\n＝＋－＠")


@pytest.mark.parametrize(
    ("text", "cell"),
    [
        ("=cmd|'/c calc'!A0", "'=cmd|'/c calc'!A0"),
        ("+1", "'+1"),
        ("-1", "'-1"),
        ("@SUM(A1)", "'@SUM(A1)"),
        ("\t=1", "'\t=1"),
        ("\r=1", "'\r=1"),
        ("＝1", "'＝1"),
        ("'=1", "''=1"),
        ("''=1", "'''=1"),
        ("'quoted'", "'quoted'"),
        ("1+1", "1+1"),
        ("", ""),
    ],
)
def test_formulas_get_one_apostrophe_and_nothing_else_does(text: str, cell: str) -> None:
    assert text_cell(text) == cell
    assert undo(cell) == text


@pytest.mark.parametrize("value", ["-5", "+49 30 1234", "0012", "1e5", "=1", "@x", "1" * 38, "-0", "'=1"])
def test_typed_columns_are_left_alone(value: str) -> None:
    content, member = written([(value, "x", None)])
    assert csv_lines(content, "utf-8")[1][0] == value
    assert member.tally.guarded == 0


def test_tags_are_joined_and_guarded_as_the_one_cell_they_are() -> None:
    content, member = written([("1", None, ("=a", "b, c")), ("2", None, ())])
    assert [line[2] for line in csv_lines(content, "utf-8")[1:]] == ["'=a, b, c", ""]
    assert member.tally.guarded == 1


def test_missing_and_empty_text_are_both_an_empty_field() -> None:
    content, _ = written([("1", None, None), ("2", "", ())])
    assert content == b"id,text,tags\r\n1,,\r\n2,,\r\n"


def test_what_was_replaced_is_counted_and_a_page_without_it_counts_nothing() -> None:
    _, member = written(
        [("1", "😀 a 😀", ("😀", "é")), ("2", "\\u{41}", None), ("3", "\ud800", None)], "windows-1252"
    )
    assert member.tally.replaced == Counter({"😀": 3, "\\": 1, "\ud800": 1})
    _, clean = written([("1", "é \\u{} \\u{xyz} \\", None)], "windows-1252")
    assert clean.tally.replaced == Counter()


def test_an_emoji_is_visible_and_never_a_question_mark() -> None:
    assert text_cell("a😀?", "windows-1252") == "a\\u{1F600}?"


@pytest.mark.parametrize(("name", "mark"), [("utf-16", b"\xff\xfe"), ("utf-8-sig", b"\xef\xbb\xbf")])
def test_one_mark_per_file_over_many_pages(name: str, mark: bytes) -> None:
    content, _ = written([(str(number), "x", None) for number in range(20)], name, page=3)
    assert content.startswith(mark)
    assert content.count(mark) == 1


def test_no_rows_are_no_bytes_after_the_header() -> None:
    content, member = written([])
    assert content == b"id,text,tags\r\n"
    assert member.page(a_page([])) == b""
    assert member.tally.rows == 0


@pytest.mark.parametrize(
    ("name", "text", "long"),
    [
        ("utf-8", "x" * 32_767, 0),
        ("utf-8", "x" * 32_768, 1),
        ("utf-8", "😀" * 16_383, 0),
        ("utf-8", "😀" * 16_384, 1),  # two UTF-16 units each
        ("windows-1252", "😀" * 3_640, 0),
        ("windows-1252", "😀" * 3_641, 1),  # nine characters each
        ("utf-8", "x" * 50_000_000, 1),
    ],
)
def test_cells_that_excel_cuts_are_counted_and_written_whole(name: str, text: str, long: int) -> None:
    content, member = written([("1", text, None)], name)
    assert member.tally.long_cells == long
    assert undo(csv_lines(content, name)[1][1]) == text


def test_rows_and_guarded_cells_are_counted_over_pages() -> None:
    _, member = written([(str(number), "=1", ("-",)) for number in range(7)], page=2)
    assert member.tally.rows == 7
    assert member.tally.guarded == 14


def test_a_number_in_a_column_of_free_text_is_guarded_as_any_text() -> None:
    none: list[Cell] = [None]
    page = Page([""], none, none, [["-5"], ["-5"], none], numbers=frozenset({0, 1}))
    assert CsvMember(TABLE, encoding("utf-8")).page(page) == b"-5,'-5,\r\n"
