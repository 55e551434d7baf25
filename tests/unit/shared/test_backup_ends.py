"""How a backup ends, and how what was ready is deleted, as they stand in the table afterwards."""

from __future__ import annotations

import dataclasses
from datetime import timedelta
from typing import Any

import pytest
from botocore.exceptions import ClientError

from shared.aws_errors import may_pass
from shared.backup import Failure, MailState, Reason, State, to_record
from shared.items import to_item
from shared.record_keys import PENDING, key
from shared.store import BackupStore, Superseded, cancelled, failed
from tests.unit.shared.backups_table import ANN, BOB, TABLE, THROTTLED, BackupsTable

# --- the end ---


def test_finishing_moves_the_backup_to_the_history_and_frees_the_account(
    table: BackupsTable, account: str
) -> None:
    pending = table.pending(account)
    table.line.mend()
    ready = table.ended_well(pending)
    table.store.finish(ready)
    assert table.line.calls == {"TransactWriteItems": 1}
    assert set(table.records(account)) == {f"BACKUP#{pending.id}"}
    assert table.store.find(account, pending.id) == ready
    assert table.store.running(account) is None
    table.pending(account)


def test_finished_backups_are_collected_after_the_history_s_days(table: BackupsTable, account: str) -> None:
    pending = table.pending(account)
    BackupStore(table.dynamodb, TABLE, table.trail, history_days=10).finish(table.ended_well(pending))
    record = table.records(account)[f"BACKUP#{pending.id}"]
    assert record["ttl"] == {"N": str(int((table.now + timedelta(days=10)).timestamp()))}
    assert not {"leased", "lease_until"} & set(record)


def test_a_pending_record_is_never_collected(table: BackupsTable, account: str) -> None:
    table.pending(account)
    assert "ttl" not in table.records(account)["PENDING"]


def test_finishing_again_with_the_same_outcome_does_nothing(table: BackupsTable, account: str) -> None:
    ready = table.ready(account)
    table.pending(account)  # a newer one, which must not be harmed
    before = table.records(account)
    table.store.finish(dataclasses.replace(ready, bytes=1))
    assert table.records(account) == before


def test_a_backup_that_ended_never_ends_otherwise(table: BackupsTable, account: str) -> None:
    ready, lost = table.ready(account), table.failed(account)
    before = table.records(account)
    with pytest.raises(Superseded):
        table.store.finish(failed(ready, Failure(Reason.TIMED_OUT), table.now))
    with pytest.raises(Superseded):
        table.store.finish(table.ended_well(lost))
    assert table.records(account) == before


def test_a_backup_that_ended_never_ends_otherwise_even_if_its_lock_came_back(
    table: BackupsTable, account: str
) -> None:
    ready = table.ready(account)
    item = to_item(to_record(dataclasses.replace(ready, state=State.PENDING)))
    table.dynamodb.put_item(TableName=TABLE, Item=item | key(account, PENDING))
    with pytest.raises(Superseded):
        table.store.finish(failed(ready, Failure(Reason.TIMED_OUT), table.now))
    assert table.store.find(account, ready.id) == ready


def test_finishing_is_done_although_the_answer_was_lost(table: BackupsTable, account: str) -> None:
    ready = table.ended_well(table.pending(account))
    table.line.mend()
    table.line.lose_answer("TransactWriteItems", times=1)
    table.store.finish(ready)
    assert table.line.calls["TransactWriteItems"] == 2
    assert table.store.find(account, ready.id) == ready
    assert table.store.running(account) is None


@pytest.mark.parametrize("fault", [THROTTLED, (500, "InternalServerError")])
def test_finishing_under_throttling_moves_nothing_and_may_be_repeated(
    table: BackupsTable, account: str, fault: tuple[int, str]
) -> None:
    ready = table.ended_well(table.pending(account))
    before = table.records(account)
    table.line.refuse("TransactWriteItems", *fault)
    with pytest.raises(ClientError) as refused:
        table.store.finish(ready)
    assert may_pass(refused.value)
    assert table.records(account) == before
    table.line.mend()
    table.store.finish(ready)
    assert table.store.find(account, ready.id) == ready


def test_a_transaction_in_conflict_is_no_supersession(table: BackupsTable, account: str) -> None:
    ready = table.ended_well(table.pending(account))

    def conflict(**_: object) -> Any:
        parsed = {
            "Error": {"Code": "TransactionCanceledException", "Message": "made up"},
            "CancellationReasons": [{"Code": "None"}, {"Code": "TransactionConflict"}],
            "ResponseMetadata": {"HTTPStatusCode": 400},
        }
        return type("Answer", (), {"status_code": 400})(), parsed

    name = "before-call.dynamodb.TransactWriteItems"
    table.dynamodb.meta.events.register_first(name, conflict)
    try:
        with pytest.raises(ClientError) as refused:
            table.store.finish(ready)
    finally:
        table.dynamodb.meta.events.unregister(name, conflict)
    assert may_pass(refused.value)


def test_only_a_backup_that_says_when_it_ended_can_be_finished(table: BackupsTable, account: str) -> None:
    with pytest.raises(ValueError, match="when"):
        table.store.finish(table.pending(account))


# --- cancelled ---


def test_a_cancelled_backup_says_who_and_when_and_the_account_is_free(
    table: BackupsTable, account: str
) -> None:
    pending = table.pending(account)
    later = table.now + timedelta(hours=1)
    table.store.finish(cancelled(pending, BOB, later))
    found = table.store.find(account, pending.id)
    assert found == dataclasses.replace(
        pending, state=State.CANCELLED, ended_by="Bob", ended_by_sub="sub-of-bob", finished_at=later
    )
    assert table.store.running(account) is None
    assert table.store.last_ready(account, later) is None
    table.pending(account)


def test_cancelling_again_keeps_the_first_name_and_cancelling_what_is_ready_is_too_late(
    table: BackupsTable, account: str
) -> None:
    backup = table.pending(account)
    table.store.finish(cancelled(backup, BOB, table.now))
    table.store.finish(cancelled(backup, ANN, table.now + timedelta(hours=1)))
    found = table.store.find(account, backup.id)
    assert found is not None
    assert (found.ended_by, found.finished_at) == ("Bob", table.now)
    ready = table.ready(account)
    with pytest.raises(Superseded):
        table.store.finish(cancelled(ready, BOB, table.now))
    assert table.store.find(account, ready.id) == ready


# --- deleted ---


def test_a_deleted_backup_keeps_what_it_was_and_says_who_and_when(table: BackupsTable, account: str) -> None:
    ready = table.ready(account)
    table.store.claim_mail(account, ready.id, table.now)
    table.store.mark_mail(account, ready.id, MailState.SENT)
    later = table.now + timedelta(hours=1)
    before = table.records(account)[f"BACKUP#{ready.id}"]
    deleted = table.store.delete(ready, by=BOB, now=later)
    assert deleted == dataclasses.replace(
        ready,
        state=State.DELETED,
        ended_by="Bob",
        ended_by_sub="sub-of-bob",
        deleted_at=later,
        mail=MailState.SENT,
    )
    assert table.store.find(account, ready.id) == deleted
    assert table.records(account)[f"BACKUP#{ready.id}"]["ttl"] == before["ttl"]
    assert [one.state for one in table.store.history(account, limit=5)] == [State.DELETED]


def test_deleting_again_changes_nothing_and_tells_the_first(table: BackupsTable, account: str) -> None:
    ready = table.ready(account)
    first = table.store.delete(ready, by=BOB, now=table.now)
    before = table.records(account)
    assert table.store.delete(ready, by=ANN, now=table.now + timedelta(hours=1)) == first
    assert table.records(account) == before


def test_deleting_is_done_although_the_answer_was_lost(table: BackupsTable, account: str) -> None:
    ready = table.ready(account)
    table.line.mend()
    table.line.lose_answer("TransactWriteItems", times=1)
    deleted = table.store.delete(ready, by=BOB, now=table.now)
    assert table.line.calls["TransactWriteItems"] == 2
    assert (deleted.state, deleted.ended_by) == (State.DELETED, "Bob")


def test_an_expired_backup_can_be_deleted_and_is_then_no_longer_expired(
    table: BackupsTable, account: str
) -> None:
    ready = table.ready(account, days=1)
    later = table.now + timedelta(days=2)
    assert ready.state_at(later) is State.EXPIRED
    assert table.store.delete(ready, by=BOB, now=later).state_at(later) is State.DELETED


def test_only_what_was_ready_is_deleted(table: BackupsTable, account: str) -> None:
    lost, ended = table.failed(account), cancelled(table.pending(account), BOB, table.now)
    table.store.finish(ended)
    running, never_was = table.pending(account), table.backup(account)
    before = table.records(account)
    for backup in (lost, ended, running, never_was):
        with pytest.raises(Superseded):
            table.store.delete(backup, by=BOB, now=table.now)
    assert table.records(account) == before


def test_a_throttled_deletion_changes_nothing_and_may_be_repeated(table: BackupsTable, account: str) -> None:
    ready = table.ready(account)
    table.line.refuse("TransactWriteItems", *THROTTLED)
    with pytest.raises(ClientError) as refused:
        table.store.delete(ready, by=BOB, now=table.now)
    assert may_pass(refused.value)
    table.line.mend()
    assert table.store.find(account, ready.id) == ready
    assert table.store.delete(ready, by=BOB, now=table.now).state is State.DELETED


def test_the_last_ready_one_is_the_one_before_a_deleted_one(table: BackupsTable, account: str) -> None:
    wanted, ready = table.ready(account), table.ready(account)
    table.store.delete(ready, by=BOB, now=table.now)
    assert table.store.last_ready(account, table.now) == wanted
