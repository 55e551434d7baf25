"""The XML: it always parses, and every text comes back from it."""

from collections import Counter
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from functions.export_backup.backup_xml import BackupXml, markup_of
from functions.export_backup.catalogue import (
    COMMENTS,
    CONTACTS,
    FILES,
    ORGANISATION,
    RECIPIENTS,
    RESPONSES,
    USERS,
    Cell,
    Kind,
    Row,
    Table,
)
from functions.export_backup.page import Page
from tests.reading import xml_root, xml_text
from tests.unit.export_backup.test_cells import TEXTS

CELLS = st.none() | TEXTS | st.sampled_from(["]]>", "&amp;", "<!--", "\r\n", " x ", "&#13;", "\u2028\x85"])


def rows(table: Table) -> st.SearchStrategy[Row]:
    lists = st.none() | st.lists(TEXTS, max_size=3).map(tuple)
    return st.tuples(*(lists if column.kind is Kind.LIST else CELLS for column in table.columns))


def document(users: list[Row], markup: list[bytes | None] | None = None) -> tuple[bytes, BackupXml]:
    xml = BackupXml()
    xml.begin()
    record(xml, ORGANISATION, ("1", "x"))
    xml.enter("users")
    for row, formed in zip(users, markup or [None] * len(users), strict=True):
        record(xml, USERS, row, formed)
    xml.leave("users")
    for element in ("contacts", "proofs"):
        xml.enter(element)
        xml.leave(element)
    xml.end()
    return xml.take(), xml


def record(xml: BackupXml, table: Table, row: Row, markup: bytes | None = None) -> None:
    xml.enter(table.element)
    xml.add(xml.fields(table, row) if markup is None else markup)
    xml.leave(table.element)


def page(table: Table, rows: list[Row]) -> Page:
    none: list[Cell] = [None] * len(rows)
    columns = [[row[place] for row in rows] for place in range(len(table.columns))]
    return Page([""] * len(rows), none, none, columns)


def values(table: Table, element: Any) -> Row:
    """A record as a recipient reads it."""
    cells: list[Cell] = []
    for column in table.columns:
        found = element.find(column.name)
        if column.kind is Kind.LIST and found is not None:
            cells.append(tuple(xml_text(item) or "" for item in found.findall(column.item)))
        else:
            cells.append(xml_text(found))
    return tuple(cells)


@given(users=st.lists(rows(USERS), max_size=3))
def test_every_text_comes_back_and_missing_is_not_empty(users: list[Row]) -> None:
    content, _ = document(users)
    assert [values(USERS, user) for user in xml_root(content).findall("users/user")] == users


@given(users=st.lists(rows(USERS), max_size=5))
def test_formed_a_page_at_a_time_it_is_the_same_and_tallied_alike(users: list[Row]) -> None:
    one_by_one, tallied = document(users)
    by_page, tallied_too = document(users, markup_of(USERS, page(USERS, users)))
    assert by_page == one_by_one
    assert tallied_too.tally == tallied.tally


@given(files=st.lists(rows(FILES), max_size=4))
def test_several_texts_in_a_value_too(files: list[Row]) -> None:
    for row, formed in zip(files, markup_of(FILES, page(FILES, files)), strict=True):
        slow, fast = BackupXml(), BackupXml()
        record(slow, FILES, row)
        record(fast, FILES, row, formed)
        assert fast.take() == slow.take()


@given(
    contact=rows(CONTACTS), file=rows(FILES), recipient=rows(RECIPIENTS),
    comment=rows(COMMENTS), response=rows(RESPONSES),
)  # fmt: skip
def test_every_table_comes_back_from_where_the_schema_nests_it(
    contact: Row, file: Row, recipient: Row, comment: Row, response: Row
) -> None:
    xml = BackupXml()
    xml.begin()
    record(xml, ORGANISATION, ("1", ""))
    xml.enter("users")
    xml.leave("users")
    xml.enter("contacts")
    record(xml, CONTACTS, contact)
    xml.leave("contacts")
    for element in ("proofs", "proof"):
        xml.enter(element)
    xml.enter("version")
    xml.add(xml.fields(FILES, file))
    xml.enter("recipients")
    record(xml, RECIPIENTS, recipient)
    xml.leave("recipients")
    xml.enter("comments")
    xml.enter("comment")
    xml.add(xml.fields(COMMENTS, comment))
    xml.enter("responses")
    record(xml, RESPONSES, response)
    for element in ("responses", "comment", "comments", "version", "proof", "proofs"):
        xml.leave(element)
    xml.end()
    root = xml_root(xml.take())
    version = "proofs/proof/version"
    for table, path, row in [
        (CONTACTS, "contacts/contact", contact),
        (FILES, version, file),
        (RECIPIENTS, f"{version}/recipients/recipient", recipient),
        (COMMENTS, f"{version}/comments/comment", comment),
        (RESPONSES, f"{version}/comments/comment/responses/response", response),
    ]:
        assert values(table, root.find(path)) == row


@pytest.mark.parametrize(
    ("text", "in_file"),
    [
        ("\r", b"&#13;"),
        ("\n\t", b"\n\t"),
        ("\x0b", b"\\u{B}"),
        ("\x1a", b"\\u{1A}"),
        ("\x00", b"\\u{0}"),
        ("\ufffe", b"\\u{FFFE}"),
        ("\ud800", b"\\u{D800}"),
        ("\\u{41}", b"\\u{5C}u{41}"),
        ("]]>", b"]]&gt;"),
        ("=1", b"=1"),  # no guard here
        ("😀\x85\u2028", "😀\x85\u2028".encode()),
    ],
)
def test_a_text_stands_in_the_file_as(text: str, in_file: bytes) -> None:
    content, _ = document([("1", text, None, None, None)])
    assert b"<name>" + in_file + b"</name>" in content
    assert values(USERS, xml_root(content).find("users/user"))[1] == text


def test_what_was_escaped_is_counted_and_markup_is_not() -> None:
    _, xml = document([("1", "\x0b\x0b<&>\r", "\ud800", "\\u{41}", None)])
    assert xml.tally.replaced == Counter({"\x0b": 2, "\ud800": 1, "\\": 1})


def test_an_external_entity_in_a_text_is_text() -> None:
    text = '<!DOCTYPE x [<!ENTITY e SYSTEM "file:///etc/passwd">]>&e;'
    content, _ = document([("1", text, None, None, None)])
    assert values(USERS, xml_root(content).find("users/user"))[1] == text


def test_a_cell_of_50_mb_is_read_back() -> None:
    content, _ = document([("1", "x" * 50_000_000, None, None, None)])
    assert len(xml_root(content).find("users/user/name").text) == 50_000_000
