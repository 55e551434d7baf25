"""Leases as they stand in the table: who is due for a look, and how seldom the index is written."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared import leases
from shared.backup import Failure, Reason
from shared.moments import from_text
from shared.store import Superseded, cancelled, failed
from tests.unit.shared.backups_table import BOB, BackupsTable

MOMENTS = st.datetimes(datetime(2020, 1, 1), datetime(2090, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001


@given(now=MOMENTS)
def test_a_lease_lasts_three_minutes_and_on_to_the_full_one(now: datetime) -> None:
    end = from_text(leases.until(now))
    assert leases.LEASE <= end - now < leases.LEASE + timedelta(minutes=1)
    assert (end.second, end.microsecond) == (0, 0)


@given(now=MOMENTS, later=st.timedeltas(timedelta(0), timedelta(minutes=8)))
def test_a_lease_has_run_out_from_its_end_on_and_not_before(now: datetime, later: timedelta) -> None:
    """Milliseconds, as `to_text` writes them, included."""
    moment = (now + later).replace(microsecond=(now + later).microsecond // 1000 * 1000)
    until = leases.until(now)
    assert leases.has_run_out(until, moment) == (moment >= from_text(until))


def test_signs_of_life_once_a_second_write_to_the_index_once_a_minute() -> None:
    """All running backups share one key of the index, which takes 1000 writes a second."""
    begun = datetime(2026, 11, 23, 10, 0, 1, tzinfo=UTC)
    ends = {leases.until(begun + timedelta(seconds=second)) for second in range(60)}
    assert len(ends) == 1


def due(table: BackupsTable) -> list[str]:
    return sorted(table.store.accounts_left_alone(table.now))


def test_an_account_is_due_once_its_backup_s_lease_has_run_out(table: BackupsTable, account: str) -> None:
    table.now = table.now.replace(second=30)
    backup = table.pending(account)
    table.now += leases.LEASE
    assert account not in due(table)
    assert table.store.left_alone(account, table.now) is None
    table.now += timedelta(seconds=30)
    assert account in due(table)
    assert table.store.left_alone(account, table.now) == backup


@pytest.mark.parametrize("sign", ["begin", "advance", "the same count", "extend"])
def test_every_sign_of_life_extends_the_lease(table: BackupsTable, account: str, sign: str) -> None:
    backup = table.pending(account)
    if sign == "the same count":
        table.store.advance(account, backup.id, unit=0, records=9, now=table.now)
    table.now += timedelta(hours=1)
    assert account in due(table)
    if sign == "begin":
        table.store.begin(account, backup.id, units=1, now=table.now)
    elif sign == "extend":
        table.store.extend(account, backup.id, table.now)
    else:
        table.store.advance(account, backup.id, unit=0, records=5, now=table.now)
    assert account not in due(table)
    assert table.records(account)["PENDING"]["lease_until"] == {"S": leases.until(table.now)}


def test_noting_why_a_step_failed_is_no_sign_of_life(table: BackupsTable, account: str) -> None:
    backup = table.pending(account)
    table.now += timedelta(hours=1)
    table.store.note_failure(account, backup.id, Failure(Reason.INTERNAL))
    assert account in due(table)


def test_a_lease_is_extended_for_the_backup_that_has_it_only(table: BackupsTable, account: str) -> None:
    table.pending(account)
    before = table.records(account)
    with pytest.raises(Superseded):
        table.store.extend(account, table.backup(account).id, table.now + timedelta(hours=1))
    assert table.records(account) == before


@pytest.mark.parametrize("end", ["ready", "failed", "cancelled"])
def test_what_has_ended_is_due_no_more(table: BackupsTable, account: str, end: str) -> None:
    backup = table.pending(account)
    table.store.finish(
        {
            "ready": table.ended_well(backup),
            "failed": failed(backup, Failure(Reason.INTERNAL), table.now),
            "cancelled": cancelled(backup, BOB, table.now),
        }[end]
    )
    table.now += timedelta(days=1)
    assert account not in due(table)
    assert table.store.left_alone(account, table.now) is None
    assert (account, backup.id) not in set(table.store.untold(table.now))


def test_the_longest_silent_come_first(table: BackupsTable, account: str) -> None:
    for number in range(4):
        table.pending(f"{account}{number}")
        table.now += timedelta(minutes=1)
    table.now += timedelta(hours=1)
    mine = [one for one in table.store.accounts_left_alone(table.now) if one.startswith(account)]
    assert mine == [f"{account}{number}" for number in range(4)]


def test_an_e_mail_is_owed_from_the_end_that_says_so_until_it_is_settled(
    table: BackupsTable, account: str
) -> None:
    backup = table.pending(account)
    table.store.finish(failed(backup, Failure(Reason.INTERNAL), table.now), untold=True)
    owed = (account, backup.id)
    assert owed not in set(table.store.untold(table.now))
    for _ in range(2):
        table.now += leases.LEASE + timedelta(minutes=1)
        assert owed in set(table.store.untold(table.now))
        table.store.owe_mail(*owed, table.now)
        assert owed not in set(table.store.untold(table.now))
    table.store.owe_nothing(*owed)
    table.now += timedelta(days=1)
    assert owed not in set(table.store.untold(table.now))
    assert account not in due(table)
