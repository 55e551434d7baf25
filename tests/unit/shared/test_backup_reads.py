"""Backups as they are found: the running one, the last ready one, and the history."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from shared.backup import UnknownFormat
from shared.store import BackupStore
from tests.unit.shared.backups_table import TABLE, BackupsTable, next_backup_id


def test_a_backup_that_ends_while_it_is_looked_for_is_found(table: BackupsTable, account: str) -> None:
    pending = table.pending(account)
    ready = table.ended_well(pending)
    reads = 0
    get_item = table.dynamodb.get_item

    class Slow:
        exceptions = table.dynamodb.exceptions

        def get_item(self, **wanted: Any) -> Any:
            nonlocal reads
            reads += 1
            if reads == 2:
                table.store.finish(ready)
            return get_item(**wanted)

    assert BackupStore(Slow(), TABLE, table.trail).find(account, pending.id) == ready  # type: ignore[arg-type]


def test_another_account_s_backup_is_not_found(table: BackupsTable, account: str) -> None:
    ready, running = table.ready(account), table.pending(account)
    for backup in (ready, running):
        assert table.store.find(account + "0", backup.id) is None
        assert table.store.find(account[:-1], backup.id) is None
    assert table.store.history(account[:-1], limit=5) == []


def test_the_history_is_newest_first_and_pages_meet_without_gap_or_overlap(
    table: BackupsTable, account: str
) -> None:
    made = [table.ready(account) if n % 2 else table.failed(account) for n in range(7)]
    table.pending(account)
    table.set_account(account)
    newest_first = [backup.id for backup in reversed(made)]
    assert [backup.id for backup in table.store.history(account, limit=50)] == newest_first
    for size in (1, 2, 3, 7, 8):
        pages, before = [], None
        while page := table.store.history(account, limit=size, before=before):
            assert len(page) <= size
            pages += page
            before = page[-1].id
        assert [backup.id for backup in pages] == newest_first


def test_history_before_an_id_that_is_not_there_is_what_is_older(table: BackupsTable, account: str) -> None:
    old, between, young = table.failed(account), next_backup_id(), table.failed(account)
    assert [b.id for b in table.store.history(account, limit=5, before=between)] == [old.id]
    assert [b.id for b in table.store.history(account, limit=5, before=young.id)] == [old.id]


def test_the_last_ready_one_is_behind_failed_expired_and_running_ones(
    table: BackupsTable, account: str
) -> None:
    assert table.store.last_ready(account, table.now) is None
    wanted = table.ready(account, days=3)
    table.ready(account, days=1)
    for _ in range(30):  # more than a page of the query
        table.failed(account)
    table.pending(account)
    ends = table.now + timedelta(days=3)
    assert table.store.last_ready(account, table.now + timedelta(days=2)) == wanted
    assert table.store.last_ready(account, ends - timedelta(seconds=1)) == wanted
    assert table.store.last_ready(account, ends) is None


def test_nobody_waits_for_a_ready_one_that_is_far_down(
    table: BackupsTable, account: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("shared.history.LOOKED_THROUGH", 3)
    wanted = table.ready(account)
    for _ in range(2):
        table.failed(account)
    assert table.store.last_ready(account, table.now) == wanted
    table.failed(account)
    assert table.store.last_ready(account, table.now) is None


def test_a_record_of_a_newer_version_is_refused(table: BackupsTable, account: str) -> None:
    table.pending(account)
    record = table.records(account)["PENDING"] | {"format": {"N": "2"}}
    table.dynamodb.put_item(TableName=TABLE, Item=record)
    with pytest.raises(UnknownFormat):
        table.store.running(account)
