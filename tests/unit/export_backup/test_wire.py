"""Answers decoded from the bytes that DynamoDB sent, against the long way of the same records."""

from __future__ import annotations

import dataclasses
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from functions.export_backup.backup_xml import BackupXml, markup_of
from functions.export_backup.catalogue import COMMENTS, FILES, USERS, Kind, Table
from functions.export_backup.cells import CsvMember, Tally
from functions.export_backup.encodings import encoding
from functions.export_backup.page import Page, page_of_items
from functions.export_backup.source import _whole_pages
from functions.export_backup.wire import RAW, PageDecoder, next_key_of

ODD = [
    "\ud800", "1E+40", "", "é🙂", "\x00", "\\", "\\u{41}", 'a"b', "x,y", "=1", "\r", "<&>", "\ufffe", "\x0b",
]  # fmt: skip
TEXT = st.text(max_size=20) | st.sampled_from(ODD)
NUMBER = st.sampled_from(["0", "-5", "1E+40", "2.1e-05", "12345678901234567890123456789012345678", "1.50"])
SCALAR = st.builds(lambda text: {"S": text}, TEXT) | st.builds(lambda number: {"N": number}, NUMBER)
RARE = st.sampled_from(
    [{"NULL": True}, {"BOOL": False}, {"M": {"a": {"N": "1"}}}, {"B": "AAE="}, {"NS": ["2", "10"]}]
)
SEVERAL = (
    st.builds(lambda texts: {"SS": sorted(texts)}, st.sets(TEXT, min_size=1, max_size=3))
    | st.builds(lambda values: {"L": values}, st.lists(SCALAR | RARE, max_size=3))
    | SCALAR
)


@st.composite
def items(draw: st.DrawFn, table: Table, common: bool) -> list[dict[str, Any]]:
    made = []
    for number in range(draw(st.integers(0, 4))):
        item: dict[str, Any] = {"sk": {"S": f"{number:012d}"}}
        for column in table.columns:
            value = SEVERAL if column.kind is Kind.LIST else SCALAR
            if (given := draw(st.none() | (value if common else value | RARE))) is not None:
                item[column.attribute] = given
        made.append(item)
    return made


def page_off_the_wire(table: Table, decoder: PageDecoder, body: bytes) -> Page:
    """Of an answer with a few records, which make one page, or none."""
    [page] = [*_whole_pages(table, None, decoder, {RAW: body})] or [page_of_items(table, [])]
    return page


@pytest.mark.parametrize("table", [FILES, COMMENTS, USERS], ids=lambda table: table.name)
@pytest.mark.parametrize("common", [True, False])
@given(data=st.data())
def test_a_page_off_the_wire_has_the_records_that_the_long_way_reads(
    table: Table, common: bool, data: st.DataObject
) -> None:
    given_items = data.draw(items(table, common))
    body = json.dumps({"Items": given_items, "LastEvaluatedKey": {"pk": {"S": "p"}}}).encode()
    decoder, long_way = PageDecoder(table), page_of_items(table, given_items)
    before = data.draw(st.lists(items(table, common), max_size=2))
    for earlier in before:  # of which the decoder learns
        page_off_the_wire(table, decoder, json.dumps({"Items": earlier}).encode())
    page = page_off_the_wire(table, decoder, body)
    assert dataclasses.replace(page, numbers=frozenset(), signs=None) == long_way
    assert next_key_of(body) == {"pk": {"S": "p"}}


def test_of_an_answer_a_few_hundred_records_are_decoded_at_a_time() -> None:
    """Decoded, they take many times the room."""
    place, name = next((n, c.attribute) for n, c in enumerate(FILES.columns) if c.kind is Kind.TEXT)
    records: list[dict[str, Any]] = [
        {"sk": {"S": f"{number:06d}"}, name: {"S": 'a "]}, {"S": \\ b'}} for number in range(601)
    ]
    body = json.dumps({"Count": 601, "Items": records, "LastEvaluatedKey": {"sk": {"S": "x"}}}).encode()
    pages = [*_whole_pages(FILES, None, PageDecoder(FILES), {RAW: body})]
    assert max(len(page.keys) for page in pages) <= 250
    assert [key for page in pages for key in page.keys] == [record["sk"]["S"] for record in records]
    assert {cell for page in pages for cell in page.columns[place]} == {'a "]}, {"S": \\ b'}


@pytest.mark.parametrize("table", [FILES, COMMENTS], ids=lambda table: table.name)
@given(data=st.data())
def test_what_is_known_of_a_page_changes_no_byte(table: Table, data: st.DataObject) -> None:
    """Numbers, and signs that a page has none of, are looked for once; without, both formats are the same."""
    pages = data.draw(st.lists(items(table, common=True), min_size=1, max_size=3))
    decoder = PageDecoder(table)
    known, unknown = CsvMember(table, encoding("utf-8")), CsvMember(table, encoding("utf-8"))
    for given_items in pages:
        # Letters as they are, as DynamoDB sends them, but for the halves of pairs.
        body = json.dumps({"Items": given_items}, ensure_ascii=data.draw(st.booleans()))
        page = page_off_the_wire(table, decoder, body.encode("utf-8", "surrogatepass"))
        plain = page_of_items(table, given_items)
        assert known.page(page) == unknown.page(plain)
        if given_items:
            assert _marked_up(table, page) == _marked_up(table, plain)
    assert known.tally == unknown.tally


def _marked_up(table: Table, page: Page) -> tuple[list[bytes], Tally]:
    xml = BackupXml()
    rows = zip(*page.columns, strict=True)
    return [
        xml.fields(table, row) if markup is None else markup
        for markup, row in zip(markup_of(table, page), rows, strict=True)
    ], xml.tally
