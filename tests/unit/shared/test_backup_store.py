"""The lock, the fence, the end and the history, as they stand in the table afterwards."""

from __future__ import annotations

import dataclasses
from datetime import timedelta
from typing import Any

import pytest
from botocore.exceptions import ClientError, ReadTimeoutError

from shared.aws_errors import may_pass
from shared.backup import Backup, Failure, MailState, Reason, State, UnknownFormat, to_record
from shared.items import to_item
from shared.leases import until
from shared.mail_claims import MAIL_CLAIM
from shared.record_keys import PENDING, key
from shared.store import AlreadyRunning, BackupStore, Superseded, cancelled, failed
from tests.unit.shared.backups_table import ANN, BOB, TABLE, BackupsTable, next_backup_id

THROTTLED = (400, "ProvisionedThroughputExceededException")


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
    later = table.now + hours(1)
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
    table.store.finish(cancelled(backup, ANN, table.now + hours(1)))
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
    later = table.now + hours(1)
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
    assert table.store.delete(ready, by=ANN, now=table.now + hours(1)) == first
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


# --- looking ---


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


# --- the e-mail ---


def mail_of(table: BackupsTable, backup: Backup) -> MailState | None:
    found = table.store.find(backup.account_id, backup.id)
    assert found is not None
    return found.mail


def test_the_first_sender_gets_the_mail_and_the_second_not(table: BackupsTable, account: str) -> None:
    backup = table.ready(account)
    assert table.store.claim_mail(account, backup.id, table.now)
    assert mail_of(table, backup) is MailState.SENDING
    assert not table.store.claim_mail(account, backup.id, table.now)


@pytest.mark.parametrize(("seconds", "taken"), [(-1, False), (0, False), (1, True)])
def test_a_dead_sender_s_mail_is_taken_over_once_its_claim_is_stale(
    table: BackupsTable, account: str, seconds: int, taken: bool
) -> None:
    backup = table.ready(account)
    table.store.claim_mail(account, backup.id, table.now)
    later = table.now + MAIL_CLAIM + timedelta(seconds=seconds)
    assert table.store.claim_mail(account, backup.id, later) is taken
    assert not table.store.claim_mail(account, backup.id, later)


@pytest.mark.parametrize("settled", [MailState.SENT, MailState.NOT_SENT])
def test_a_settled_mail_is_nobody_s_ever_again(table: BackupsTable, account: str, settled: MailState) -> None:
    backup = table.ready(account)
    table.store.claim_mail(account, backup.id, table.now)
    table.store.mark_mail(account, backup.id, settled)
    assert mail_of(table, backup) is settled
    assert not table.store.claim_mail(account, backup.id, table.now + 100 * MAIL_CLAIM)


def test_a_mail_given_back_can_be_taken_at_once(table: BackupsTable, account: str) -> None:
    backup = table.failed(account)
    table.store.claim_mail(account, backup.id, table.now)
    table.store.release_mail(account, backup.id)
    assert mail_of(table, backup) is None
    assert table.store.claim_mail(account, backup.id, table.now)


def test_no_mail_is_claimed_or_marked_of_a_backup_that_has_not_ended(
    table: BackupsTable, account: str
) -> None:
    backup = table.pending(account)
    before = table.records(account)
    assert not table.store.claim_mail(account, backup.id, table.now)
    with pytest.raises(ClientError):
        table.store.mark_mail(account, backup.id, MailState.SENT)
    with pytest.raises(ClientError):
        table.store.release_mail(account, backup.id)
    assert table.records(account) == before


def test_a_timed_out_call_is_one_that_may_pass(table: BackupsTable, account: str) -> None:
    table.line.cut("GetItem")
    with pytest.raises(ReadTimeoutError) as cut:
        table.store.running(account)
    assert may_pass(cut.value)
