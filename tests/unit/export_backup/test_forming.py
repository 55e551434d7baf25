"""Pages formed by the C code: what it writes is what the long way writes, or it declines."""

from __future__ import annotations

import ctypes
import json
import random
import subprocess
import sys
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from functions.export_backup.backup_xml import BackupXml, markup_of
from functions.export_backup.catalogue import COMMENTS, CONTACTS, FILES, TABLES, USERS, Kind, Table
from functions.export_backup.cells import EXCEL_CELL_LENGTH, CsvMember
from functions.export_backup.encodings import encoding
from functions.export_backup.forming import Form, Former, Room
from functions.export_backup.page import Page, page_of_items
from functions.export_backup.snapshot import Snapshot
from functions.export_backup.wire import PageDecoder, Unexpected
from local.odd_text import CONTROLS, FORMULAS, SIGNS
from shared.encodings import ENCODING_NAMES
from tests.unit.export_backup.account_in_memory import SNAPSHOT, body_of

UTF8 = encoding("utf-8")
OLD = Snapshot(SNAPSHOT).old
ORDINARY = st.text(
    st.characters(exclude_categories=["C"], exclude_characters="\\") | st.sampled_from("\r\n\t")
)
LOOKALIKES = [r"\u{41}", r"\u{", r"C:\users", "\\", r"\\u{5C}", '\\"', '"', '","', "\x00", "\ud83d", "\ufffe"]
TEXT = ORDINARY | st.text(max_size=20) | st.sampled_from([*FORMULAS, *CONTROLS, *SIGNS, *LOOKALIKES])
NUMBER = st.sampled_from(["0", "-5", "1E+40", "2.1e-05", "12345678901234567890123456789012345678", "1.50"])
MOMENT = st.sampled_from(
    ["2025-01-26T09:00:00.469Z", "2999-01-01T00:00:00Z", "2025-01-26", "soon", "", f"{OLD}Z", f"{OLD[:-1]}"]
)
SCALAR = st.builds(lambda text: {"S": text}, TEXT | MOMENT) | st.builds(lambda number: {"N": number}, NUMBER)
RARE = st.sampled_from(
    [{"NULL": True}, {"BOOL": False}, {"M": {"a": {"N": "1"}}}, {"B": "AAE="}, {"NS": ["2", "10"]}, {"L": []}]
)
FORMABLE = [table for table in TABLES if all(column.kind is not Kind.LIST for column in table.columns)]
"""Whose records hold one text or number in each attribute."""


def former(table: Table, *, name: str = "utf-8", with_elements: bool = True) -> Former:
    return Former(table, Form(encoding(name), OLD, with_elements), Room())


def the_long_way(table: Table, body: bytes) -> Page:
    try:
        return PageDecoder(table).page(body)
    except Unexpected:
        return page_of_items(table, json.loads(body)["Items"])


def assert_same(table: Table, formed: Page, body: bytes, name: str = "utf-8") -> None:
    page = the_long_way(table, body)
    assert formed.keys == page.keys
    assert formed.status == page.status
    assert Snapshot(SNAPSHOT).later(formed.created) == Snapshot(SNAPSHOT).later(page.created)
    ours, theirs = CsvMember(table, encoding(name)), CsvMember(table, encoding(name))
    assert ours.page(formed) == theirs.page(page)
    assert ours.tally == theirs.tally
    assert formed.formed is not None
    assert formed.formed.elements == (markup_of(table, page) if page.keys else [])


@st.composite
def items(draw: st.DrawFn, table: Table, values: st.SearchStrategy[Any]) -> list[dict[str, Any]]:
    made = []
    for number in range(draw(st.integers(0, 4))):
        item: dict[str, Any] = {"sk": {"S": f"{number:012d}"}, "other": draw(values)}
        for attribute in table.placeholders.values():
            if attribute != "sk" and (given := draw(st.none() | values)) is not None:
                item[attribute] = given
        made.append(dict(draw(st.permutations(list(item.items())))))
    return made


@pytest.mark.parametrize("table", FORMABLE, ids=lambda table: table.name)
@given(data=st.data())
def test_a_formed_page_is_what_the_long_way_makes_of_it(table: Table, data: st.DataObject) -> None:
    records = data.draw(items(table, SCALAR) | items(table, SCALAR | RARE))
    text = json.dumps(
        {"Count": 1, "Items": records, "LastEvaluatedKey": {"sk": {"S": "]}"}}},
        ensure_ascii=data.draw(st.booleans()),
        separators=data.draw(st.sampled_from([(",", ":"), (", ", ": ")])),
    )
    name = data.draw(st.sampled_from(ENCODING_NAMES))
    body = text.encode("utf-8", "surrogatepass")
    formed = former(table, name=name).page(body)
    if formed is not None:
        assert_same(table, formed, body, name)


@pytest.mark.parametrize("table", FORMABLE, ids=lambda table: table.name)
@given(data=st.data())
def test_what_people_write_is_never_declined(table: Table, data: st.DataObject) -> None:
    ordinary = st.builds(lambda text: {"S": text}, ORDINARY) | st.just({"N": "-12.50"})
    body = body_of(data.draw(items(table, ordinary)))
    formed = former(table).page(body)
    assert formed is not None
    assert_same(table, formed, body)


@given(text=TEXT)
def test_a_text_is_declined_only_where_another_form_of_it_would_be_written(text: str) -> None:
    body = body_of([{"sk": {"S": "1"}, "name": {"S": text}}])
    xml = BackupXml()
    xml.fields(USERS, [text] * len(USERS.columns))
    rare = bool(xml.tally.replaced) or any(ord(sign) < 0x20 and sign not in "\t\r\n" for sign in text)
    assert (former(USERS).page(body) is None) == (rare or "\\u{" in text)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{}",
        b"[]",
        b'{"Items":[{}]}',
        b'{"Items":[{"sk":{"S":"1"}}]',
        b'{"Items":[{"sk":{"S":"1"}}]} x',
        b'{"Items":[{"sk":{"S":"1"},"sk":{"S":"2"}}]}',
        b'{"Items":[],"Items":[]}',
        b'{"Items":[{"sk":{"S":"1","N":"1"}}]}',
        b'{"Items":[{"sk":{"S":"1"},"name":{"SS":["a"]}}]}',
        b'{"Items":[{"sk":{"S":"1"},"name":{"S":"\xff"}}]}',
        b'{"Items":[{"sk":{"S":"1"},"name":{"S":"\xed\xa0\x80"}}]}',
        b'{"Items":[{"sk":{"S":"1"},"name":{"S":"\xc0\x80"}}]}',
        b'{"Items":[{"sk":{"S":"1"},"name":{"S":"\n"}}]}',
        b'{"Items":[{"sk":{"S":"1"},"name":{"N":"1E9"}}]}',
        b'{"Items":[{"sk":{"S":"1"},"n\\u0061me":{"S":"x"}}]}',
        b'{"Items":[{"sk":{"S":"1"},"other":%b%b}]}' % (b"[" * 70, b"]" * 70),  # DynamoDB nests 32 deep
    ],
)
def test_what_is_rare_or_no_answer_is_declined(body: bytes) -> None:
    assert former(USERS).page(body) is None


def test_tables_with_lists_and_encodings_with_some_of_the_signs_are_left_to_the_long_way() -> None:
    body = body_of([{"sk": {"S": "1"}}])
    assert former(FILES).page(body) is None
    assert former(USERS).page(body) is not None
    for name in ENCODING_NAMES:
        held = {encoding(name).holds(sign) for sign in "＝＋－＠"}
        assert (former(USERS, name=name).page(body) is None) == (len(held) == 2), name


@pytest.mark.parametrize("name", [name for name in ENCODING_NAMES if name != "shift_jis"])  # it holds some
def test_a_formula_is_guarded_by_the_signs_that_the_file_can_hold(name: str) -> None:
    body = body_of([{"sk": {"S": f"{n:02d}"}, "name": {"S": text}} for n, text in enumerate(FORMULAS)])
    formed = former(USERS, name=name).page(body)
    assert formed is not None
    assert_same(USERS, formed, body, name)


@pytest.mark.parametrize(("name", "longest"), [("utf-8", EXCEL_CELL_LENGTH), ("windows-1252", 3_276)])
def test_a_cell_that_excel_might_cut_is_left_to_the_long_way_which_counts_it(name: str, longest: int) -> None:
    for length in (longest, longest + 1):
        body = body_of([{"sk": {"S": "1"}, "comment": {"S": "x" * length}}])
        assert (former(COMMENTS, name=name).page(body) is not None) == (length == longest)


def test_without_xml_there_are_no_elements() -> None:
    formed = former(USERS, with_elements=False).page(body_of([{"sk": {"S": "1"}, "name": {"S": "x"}}]))
    assert formed is not None
    assert formed.formed is not None
    assert (formed.formed.lines, formed.formed.elements) == (b",x,,,\r\n", [])


@given(data=st.data())
def test_runs_of_a_formed_page_are_those_records(data: st.DataObject) -> None:
    ordinary = st.builds(lambda text: {"S": text}, ORDINARY | st.sampled_from(FORMULAS))
    records = data.draw(items(CONTACTS, ordinary))
    cuts = sorted(data.draw(st.lists(st.integers(0, len(records)), min_size=4, max_size=4)))
    runs = [slice(cuts[0], cuts[1]), slice(cuts[2], cuts[3])]
    whole = former(CONTACTS).page(body_of(records))
    part = former(CONTACTS).page(body_of([one for run in runs for one in records[run]]))
    assert whole is not None
    assert whole.runs(runs) == part


def test_the_room_grows_with_what_a_page_is_written_as() -> None:
    table, forms = COMMENTS, former(COMMENTS)
    small = body_of([{"sk": {"S": "1"}}] * 3)
    written = "\r" * 30_000  # five bytes of XML each, and two of CSV for a quote
    grown = body_of([{"sk": {"S": "1"}, "comment": {"S": written}, "author": {"S": '"' * 30_000}}] * 9)
    many = body_of([{"sk": {"S": ""}}] * 40_000)
    for body in (small, grown, many, small):
        formed = forms.page(body)
        assert formed is not None
        assert_same(table, formed, body)


def a_page() -> bytes:
    """Escapes by number are passed where they are not wanted."""
    body = body_of(
        [
            {
                "sk": {"S": f"{number:012d}"},
                "page": {"N": str(number)},
                "created_at": {"S": "2999-01-26T09:00:00.469Z" if number % 3 else "2025-01-26T09:00:00.469Z"},
                "comment": {"S": f'He said "no", & <left>\r\n{odd} é 😀'},
                "author": {"S": odd},
                "tags": {"L": [{"S": "x"}]},
            }
            for number, odd in enumerate(FORMULAS)
        ]
    )
    return body.replace(b'{"S":"x"}', rb'{"S":"\u00e9"}')


def test_a_page_with_any_byte_changed_is_read_right_or_declined() -> None:
    chance = random.Random(5)  # noqa: S311 - the same bytes in every run
    forms, page = former(COMMENTS), bytearray(a_page())
    formed = 0
    for _ in range(6_000):
        place, byte = (
            chance.randrange(len(page)),
            chance.choice(b'"\\{}[]:,\x00\n\xc3\xff eE09N')
            if chance.random() < 0.7
            else chance.randrange(256),
        )
        before, page[place] = page[place], byte
        if (one := forms.page(bytes(page))) is not None:
            assert_same(COMMENTS, one, bytes(page))
            formed += 1
        page[place] = before
    assert formed > 1_000


def test_no_byte_is_written_behind_the_room_there_is() -> None:
    class Full(Room):
        def grow(self) -> None:
            raise MemoryError

    body, room = a_page(), Full()
    forms = Former(COMMENTS, Form(UTF8, OLD, with_elements=True), room)
    whole = forms.page(body)
    for name in ("lines", "elements", "keys", "created"):
        buffer = getattr(room.page, name)
        full, most = buffer.used, buffer.room
        for less in sorted({*range(0, full, 97), *range(full - 40, full)}):
            ctypes.memset(buffer.at, 0xA5, full + 64)
            buffer.room = less
            page = None
            with suppress(MemoryError):
                page = forms.page(body)
            assert page in (None, whole)
            assert ctypes.string_at(buffer.at + less, full + 64 - less) == b"\xa5" * (full + 64 - less)
        buffer.room = most


CUT_SHORT = """
import ctypes, mmap, sys
from tests.unit.export_backup.test_forming import COMMENTS, a_page, former
from functions.export_backup import forming

whole, size = a_page(), 1 << 16
memory = mmap.mmap(-1, 2 * size)
start = ctypes.addressof(ctypes.c_char.from_buffer(memory))
libc = ctypes.CDLL(None, use_errno=True)
assert libc.mprotect(ctypes.c_void_p(start + size), size, 0) == 0  # whoever reads there is killed
call = forming._form_page
call.argtypes = (ctypes.c_void_p, *call.argtypes[1:])
forms = former(COMMENTS)
forms.page(whole)
for length in range(len(whole) + 1):
    ctypes.memmove(start + size - length, whole, length)
    outcome = call(start + size - length, length, forms._plan, forms._room.page)
    assert outcome == (2 if length < len(whole) else 0), length
print("read")
"""


def test_no_byte_is_read_behind_an_answer_that_is_cut_short() -> None:
    run = subprocess.run([sys.executable, "-c", CUT_SHORT], check=False, capture_output=True, text=True)
    assert (run.returncode, run.stdout) == (0, "read\n"), run.stderr
