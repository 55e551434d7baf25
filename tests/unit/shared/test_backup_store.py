"""The account's settings, the lock, the fence and the way through, as they stand in the table afterwards."""

from __future__ import annotations

import dataclasses
from datetime import timedelta
from typing import Any

import pytest
from botocore.exceptions import ClientError, ReadTimeoutError

from shared.aws_errors import may_pass
from shared.backup import Backup, Failure, Reason, State
from shared.leases import until
from shared.store import AlreadyRunning, BackupStore, Superseded, cancelled, failed
from tests.unit.shared.backups_table import ANN, BOB, TABLE, THROTTLED, BackupsTable


def hours(number: int) -> timedelta:
    return timedelta(hours=number)


# --- settings ---


def test_an_account_that_was_never_named_has_no_settings(table: BackupsTable, account: str) -> None:
    assert table.store.settings(account) is None


def test_an_account_without_a_chosen_encoding_has_utf_8(table: BackupsTable, account: str) -> None:
    key = {"pk": {"S": f"ACCOUNT#{account}"}, "sk": {"S": "SETTINGS"}}
    table.dynamodb.put_item(TableName=TABLE, Item={**key, "plan": {"S": "Enterprise"}})
    settings = table.store.settings(account)
    assert settings is not None
    assert (settings.encoding, settings.plan, settings.name) == ("utf-8", "Enterprise", "")


def encoding_of(table: BackupsTable, account: str) -> str:
    settings = table.store.settings(account)
    assert settings is not None
    return settings.encoding


def test_the_encoding_that_the_account_chose_counts_whatever_the_product_says_since(
    table: BackupsTable, account: str
) -> None:
    table.set_account(account, encoding="big5")
    assert encoding_of(table, account) == "big5"
    for chosen in ("utf-16", "shift_jis"):
        table.store.choose_encoding(account, chosen, by=ANN, now=table.now)
        assert encoding_of(table, account) == chosen
    table.set_account(account, encoding="big5", name="Acme Ltd", plan="Unlimited")
    settings = table.store.settings(account)
    assert settings is not None
    assert (settings.encoding, settings.name, settings.plan) == ("shift_jis", "Acme Ltd", "Unlimited")


def test_a_choice_is_that_account_s_alone_and_makes_no_account(table: BackupsTable, account: str) -> None:
    table.set_account(account + "0", encoding="big5")
    table.store.choose_encoding(account, "utf-16", by=ANN, now=table.now)
    assert encoding_of(table, account + "0") == "big5"
    assert table.store.settings(account) is None


def test_a_choice_changes_neither_a_running_backup_nor_the_history(table: BackupsTable, account: str) -> None:
    table.ready(account)
    table.pending(account)
    before = table.records(account)
    table.store.choose_encoding(account, "utf-16", by=ANN, now=table.now)
    after = table.records(account)
    assert after.pop("PREFERENCES")["encoding"] == {"S": "utf-16"}
    assert after == before


# --- the lock ---


def test_a_claim_is_the_pending_record_with_a_lease(table: BackupsTable, account: str) -> None:
    backup = table.pending(account)
    records = table.records(account)
    assert set(records) == {"PENDING"}
    assert records["PENDING"]["lease_until"] == {"S": until(table.now)}
    assert table.store.running(account) == backup
    assert table.store.find(account, backup.id) == backup


def test_the_second_claim_is_handed_the_winner_and_writes_nothing(table: BackupsTable, account: str) -> None:
    winner = table.pending(account)
    before = table.records(account)
    table.line.mend()
    with pytest.raises(AlreadyRunning) as refused:
        table.store.claim(table.backup(account))
    assert refused.value.running == winner
    assert table.line.calls == {"TransactWriteItems": 1}  # no second read, which could find another one
    assert table.records(account) == before


def test_the_claims_of_two_accounts_do_not_meet(table: BackupsTable, account: str) -> None:
    table.pending(account)
    table.pending(account + "0")
    assert set(table.records(account)) == {"PENDING"}


def test_a_claim_whose_answer_was_lost_is_won_when_botocore_repeats_it(
    table: BackupsTable, account: str
) -> None:
    table.line.lose_answer("TransactWriteItems", times=1)
    backup = table.pending(account)
    assert table.line.calls["TransactWriteItems"] == 2
    assert table.store.running(account) == backup


def test_a_throttled_claim_raises_what_may_pass_and_writes_nothing(table: BackupsTable, account: str) -> None:
    table.line.refuse("TransactWriteItems", *THROTTLED)
    with pytest.raises(ClientError) as throttled:
        table.pending(account)
    assert may_pass(throttled.value)
    assert table.records(account) == {}


# --- the fence ---


def writes_of(store: BackupStore, backup: Backup, now: Any) -> list[Any]:
    return [
        lambda: store.begin(backup.account_id, backup.id, units=2, now=now),
        lambda: store.advance(backup.account_id, backup.id, unit=0, records=5, now=now),
        lambda: store.advance(backup.account_id, backup.id, unit=0, records=5, now=now, done=True),
        lambda: store.note_failure(backup.account_id, backup.id, Failure(Reason.INTERNAL)),
        lambda: store.finish(failed(backup, Failure(Reason.INTERNAL), now)),
        lambda: store.finish(cancelled(backup, BOB, now)),
    ]


def test_a_run_that_was_overtaken_writes_nothing_any_more(table: BackupsTable, account: str) -> None:
    dead = table.backup(account)
    table.pending(account)
    before = table.records(account)
    for write in writes_of(table.store, dead, table.now):
        with pytest.raises(Superseded):
            write()
    assert table.records(account) == before


def test_a_run_that_was_cancelled_writes_nothing_any_more(table: BackupsTable, account: str) -> None:
    backup = table.pending(account)
    table.store.begin(account, backup.id, units=2, now=table.now)
    table.store.finish(cancelled(backup, BOB, table.now))
    before = table.records(account)
    still_at_it = [*writes_of(table.store, backup, table.now)[:5], lambda: finish_well(table, backup)]
    for write in still_at_it:
        with pytest.raises(Superseded):
            write()
    assert table.records(account) == before


def finish_well(table: BackupsTable, backup: Backup) -> None:
    table.store.finish(table.ended_well(backup))


def test_a_run_that_has_ended_is_not_brought_back_to_life(table: BackupsTable, account: str) -> None:
    ready = table.ready(account)
    before = table.records(account)
    for write in writes_of(table.store, ready, table.now):
        with pytest.raises(Superseded):
            write()
    assert table.records(account) == before


def test_where_nothing_is_pending_nothing_appears(table: BackupsTable, account: str) -> None:
    for write in writes_of(table.store, table.backup(account), table.now):
        with pytest.raises(Superseded):
            write()
    assert table.records(account) == {}


def test_a_throttled_write_is_not_taken_for_a_lost_lock(table: BackupsTable, account: str) -> None:
    backup = table.pending(account)
    table.line.refuse("UpdateItem", *THROTTLED)
    for write in writes_of(table.store, backup, table.now)[:4]:
        with pytest.raises(ClientError):
            write()


# --- the way through ---


def test_beginning_says_that_it_runs_and_in_how_many_units(table: BackupsTable, account: str) -> None:
    backup = table.pending(account)
    table.store.begin(account, backup.id, units=3, now=table.now + hours(1))
    assert table.store.running(account) == dataclasses.replace(backup, state=State.RUNNING, units=3)
    assert table.records(account)["PENDING"]["lease_until"] == {"S": until(table.now + hours(1))}


def test_progress_is_the_sum_of_what_the_units_wrote_and_never_goes_back(
    table: BackupsTable, account: str
) -> None:
    backup = table.pending(account)
    seen = []
    for unit, records in [(0, 5), (1, 100), (0, 9), (1, 0), (1, 99), (1, 100), (1, 101), (2, 0)]:
        table.store.advance(account, backup.id, unit=unit, records=records, now=table.now)
        running = table.store.running(account)
        assert running is not None
        seen.append(running.records_done)
    assert seen == [5, 105, 109, 109, 109, 109, 110, 110]


def test_a_unit_that_starts_anew_still_shows_that_it_lives(table: BackupsTable, account: str) -> None:
    backup = table.pending(account)
    table.store.advance(account, backup.id, unit=0, records=50, now=table.now)
    table.store.advance(account, backup.id, unit=0, records=1, now=table.now + hours(2))
    assert table.records(account)["PENDING"]["lease_until"] == {"S": until(table.now + hours(2))}


def test_a_unit_that_is_done_twice_counts_once(table: BackupsTable, account: str) -> None:
    backup = table.pending(account)
    for unit, records in [(0, 7), (0, 7), (1, 3), (0, 2)]:  # the last: a retry that heard less
        table.store.advance(account, backup.id, unit=unit, records=records, now=table.now, done=True)
    running = table.store.running(account)
    assert running is not None
    assert running.units_done == {0, 1}
    assert running.records_done == 10


def test_a_noted_failure_counts_more_than_the_one_that_closes(table: BackupsTable, account: str) -> None:
    backup = table.pending(account)
    table.store.note_failure(account, backup.id, Failure(Reason.SOURCE_UNAVAILABLE, "COMMENTS"))
    running = table.store.running(account)
    assert running is not None
    table.store.finish(failed(running, Failure(Reason.INTERNAL), table.now))
    ended = table.store.find(account, backup.id)
    assert ended is not None
    assert ended.failure == Failure(Reason.SOURCE_UNAVAILABLE, "COMMENTS")


def test_a_timed_out_call_is_one_that_may_pass(table: BackupsTable, account: str) -> None:
    table.line.cut("GetItem")
    with pytest.raises(ReadTimeoutError) as cut:
        table.store.running(account)
    assert may_pass(cut.value)
