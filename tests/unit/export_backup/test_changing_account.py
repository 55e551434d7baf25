"""Fault 21: an account that changes while its pages are read."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from functions.export_backup.catalogue import COMMENTS, FILES, RECIPIENTS, RESPONSES, USERS, Table
from functions.export_backup.forming import Form
from functions.export_backup.page import Page
from tests.reading import csv_records, xml_root
from tests.unit.export_backup.account_in_memory import (
    AccountInMemory,
    Item,
    as_page,
    export,
    item,
    key,
    no_items,
)

BEFORE, AFTER = "2026-11-22T10:11:12Z", "2026-11-22T10:11:13Z"
KEY_PARTS = {USERS: 1, FILES: 2, RECIPIENTS: 3, COMMENTS: 3, RESPONSES: 4}
"""Tables, and how many numbers their keys have: those of what something hangs on, and its own."""


@dataclass
class Changing(AccountInMemory):
    """Asked for each page anew from behind the last one, as DynamoDB is; before each, something happens."""

    happens: Callable[[], None] = lambda: None

    def pages(
        self, table: Table, first: str | None = None, before: str | None = None, form: Form | None = None
    ) -> Iterator[Page]:
        assert (first, before) == (None, None)
        last = ""
        while True:
            self.happens()
            left = sorted((other for other in self.items[table.name] if key(other) > last), key=key)
            page = left[: self.page_size()]
            yield as_page(table, page, form)
            if len(page) == len(left):
                return
            last = key(page[-1])


def one(table: Table, numbers: tuple[int, ...], created: str) -> Item:
    """Every text in it names its key and whether it was there in time."""
    sk = "#".join(f"{number:012d}" for number in numbers)
    late = " late" if created == AFTER else ""
    texts = {column.attribute: f"{column.name} {sk}{late}" for column in table.columns}
    return item(table, sk, **(texts | {table.created or "created_at": created}))


def paths(table: Table) -> st.SearchStrategy[tuple[int, ...]]:
    return st.tuples(*[st.integers(1, 3)] * KEY_PARTS[table])


rows = st.sampled_from(list(KEY_PARTS)).flatmap(lambda table: st.tuples(st.just(table), paths(table)))


@settings(max_examples=150, suppress_health_check=[HealthCheck.too_slow])
@given(
    present=st.sets(rows, max_size=40),
    events=st.lists(st.none() | st.tuples(st.booleans(), rows), max_size=40),
    page=st.integers(1, 4),
)
def test_nothing_after_the_snapshot_and_nothing_twice_and_all_that_stayed(
    present: set[tuple[Table, tuple[int, ...]]],
    events: list[tuple[bool, tuple[Table, tuple[int, ...]]] | None],
    page: int,
) -> None:
    items = no_items()
    for table, path in present:
        items[table.name].append(one(table, path, BEFORE))
    stayed = set(present)
    to_come = iter(events)

    def happens() -> None:
        event = next(to_come, None)
        if event is None:
            return
        appears, (table, path) = event
        kept = [other for other in items[table.name] if key(other) != key(one(table, path, BEFORE))]
        if appears and len(kept) == len(items[table.name]):
            kept.append(one(table, path, AFTER))
        elif not appears:
            stayed.discard((table, path))
        else:
            return
        items[table.name] = kept

    members, _ = export(Changing(items, lambda: page, happens=happens))

    root = xml_root(members["backup.xml"])
    for table in KEY_PARTS:
        found = [row[table.columns[0].name] for row in csv_records(members[table.member], "utf-8")]
        assert len(found) == len(set(found))
        assert not [name for name in found if name.endswith(" late")]
        # What was there all the time, with all that it hangs on, is in the archive.
        for other, path in stayed:
            above = {(FILES, path[:2]), (COMMENTS, path[:3])} if table is RESPONSES else {(FILES, path[:2])}
            if other is table and (table in (USERS, FILES) or above <= stayed):
                assert one(table, path, BEFORE)[table.columns[0].attribute]["S"] in found
        in_xml = [element for element in root.iter(table.element) if len(element)]
        assert len(in_xml) == len(found)
