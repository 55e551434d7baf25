"""The audit trail as its readers see it: pages, for how long, and never changed."""

from __future__ import annotations

import dataclasses

import pytest

from shared import audit
from shared.audit import Entry, Event, Way
from shared.backup import UnknownFormat
from shared.store import cancelled
from shared.trail import Trail
from tests.unit.shared.backups_table import (
    ANN,
    AUDIT_TABLE,
    BOB,
    BY_BOB,
    DAY,
    SECOND,
    TABLE,
    BackupsTable,
    next_account_id,
)

# --- reading ---


def test_pages_meet_without_gap_or_overlap_also_where_something_is_withdrawn(
    table: BackupsTable, account: str
) -> None:
    made = [table.ready(account, days=days) for days in (5, 5, 6, 5, 7)]
    for backup in (made[1], made[3]):
        table.store.delete(backup, by=BOB, now=table.now)
    table.now += 30 * DAY
    newest_first = table.trail.page(account, table.now, limit=1000)
    assert [entry.event for entry in newest_first].count(Event.EXPIRED) == 3
    assert len(newest_first) == 5 + 5 + 2 + 3
    for size in (1, 2, 3, 7, 15, 16):
        pages: list[Entry] = []
        before = None
        while page := table.trail.page(account, table.now, limit=size, before=before):
            assert len(page) <= size
            pages += page
            before = page[-1].id
        assert pages == newest_first


def test_a_trail_longer_than_dynamodb_s_page_is_read_to_its_end(table: BackupsTable, account: str) -> None:
    for number in range(60):
        entry = audit.encoding_chosen(account, "utf-16", ANN, table.now + number * SECOND)
        table.trail.append(entry)
    table.now += DAY
    assert len(table.trail_of(account)) == 60


def test_another_account_s_trail_is_not_read_nor_reached_by_its_cursors(
    table: BackupsTable, account: str
) -> None:
    other = next_account_id()
    table.ready(account)
    mine = table.ready(other)
    cursor = table.trail_of(account)[-1].id
    for before in (None, cursor):
        page = table.trail.page(other, table.now, limit=100, before=before)
        assert {entry.backup_id for entry in page} <= {mine.id}
        assert {entry.account_id for entry in page} <= {other}
    assert table.trail.page(account[:-1], table.now, limit=100) == []


def test_entries_at_one_moment_stand_in_the_order_in_which_they_must_have_come(
    table: BackupsTable, account: str
) -> None:
    backup = table.ready(account)
    table.trail.append(audit.link_made(backup, table.link(), Way.TAB, ANN, table.now))
    table.store.delete(backup, by=ANN, now=table.now)
    table.store.finish(cancelled(table.pending(account), ANN, table.now))
    assert table.events_of(account) == [
        Event.REQUESTED,
        Event.READY,
        Event.LINK_MADE,
        Event.DELETED,
        Event.REQUESTED,
        Event.CANCELLED,
    ]


# --- kept for as long as the operator says ---


@pytest.mark.parametrize(("seconds", "shown"), [(-1, 1), (0, 0), (1, 0)])
def test_an_entry_is_shown_until_its_last_day_is_over_whatever_ttl_does(
    table: BackupsTable, account: str, seconds: int, shown: int
) -> None:
    trail = Trail(table.dynamodb, AUDIT_TABLE, days=30)
    trail.append(audit.encoding_chosen(account, "utf-16", ANN, table.now))
    assert len(trail.page(account, table.now + 30 * DAY + seconds * SECOND, limit=5)) == shown
    (item,) = table.entries(account)
    assert item["ttl"] == {"N": str(int((table.now + 30 * DAY).timestamp()))}


def test_a_shorter_time_counts_at_once_and_a_longer_one_for_what_is_entered_since(
    table: BackupsTable, account: str
) -> None:
    month, year = (Trail(table.dynamodb, AUDIT_TABLE, days=days) for days in (30, 365))
    month.append(audit.encoding_chosen(account, "utf-16", ANN, table.now))
    year.append(audit.encoding_chosen(account, "big5", ANN, table.now + SECOND))
    later = table.now + 31 * DAY
    assert [entry.encoding for entry in year.page(account, later, limit=5)] == ["big5"]
    assert month.page(account, later, limit=5) == []


def test_the_expiry_of_a_file_is_kept_from_its_own_moment_on(table: BackupsTable, account: str) -> None:
    table.ready(account, days=14)
    assert table.events_of(account, table.now + 1096 * DAY) == [Event.EXPIRED]


# --- nothing is changed ---


def test_an_entry_is_never_overwritten(table: BackupsTable, account: str) -> None:
    entry = audit.encoding_chosen(account, "utf-16", ANN, table.now)
    table.trail.append(entry)
    table.trail.append(dataclasses.replace(entry, by=BY_BOB, encoding="big5"))
    assert table.trail_of(account) == [entry]


def test_an_entry_of_a_newer_version_is_refused(table: BackupsTable, account: str) -> None:
    table.pending(account)
    (item,) = table.entries(account)
    table.dynamodb.put_item(TableName=AUDIT_TABLE, Item=item | {"format": {"N": "2"}})
    with pytest.raises(UnknownFormat):
        table.trail_of(account)


def test_the_trail_goes_on_where_the_history_has_forgotten(table: BackupsTable, account: str) -> None:
    backup = table.ready(account)
    key = {"pk": {"S": f"ACCOUNT#{account}"}, "sk": {"S": f"BACKUP#{backup.id}"}}
    table.dynamodb.delete_item(TableName=TABLE, Key=key)
    assert table.events_of(account, table.now + 15 * DAY) == [Event.REQUESTED, Event.READY, Event.EXPIRED]


def test_before_the_oldest_entry_there_is_nothing_and_dynamodb_is_not_asked(
    table: BackupsTable, account: str
) -> None:
    """It refuses a range whose end is before its beginning, which nobody's request may be answered with."""
    table.pending(account)
    asked = table.line.calls["Query"]
    ancient = "0000-00-00T00:00:00.000Z_settings_0-settings_changed_0000000000000000"
    assert table.trail.page(account, table.now, limit=5, before=ancient) == []
    assert table.line.calls["Query"] == asked
