"""Backups that are due by a schedule: each made once, or said to be missed; and only so many files kept."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from datetime import UTC, datetime, time, timedelta

import pytest

from functions.request_backup.sweeper import SweepIncomplete
from shared.audit import Event
from shared.backup import Backup, Failure, Reason, State
from shared.schedule import Every, Rhythm, Schedule
from shared.store import Superseded, failed
from tests.doubles import aws_in_process, log_of
from tests.unit.request_backup.sweep_world import SweepWorld
from tests.unit.shared.backups_table import ANN, BOB, next_account_id

DAY = timedelta(days=1)
LEASE_OVER = timedelta(minutes=5)
NIGHTLY = Rhythm(Every.DAILY, time(2, 30), "Europe/Amsterdam")


@pytest.fixture(scope="module")
def shared_world() -> Iterator[SweepWorld]:
    with aws_in_process(), log_of("sweep_backups") as log:
        yield SweepWorld(log)


@pytest.fixture
def world(shared_world: SweepWorld) -> Iterator[SweepWorld]:
    shared_world.begin_anew()
    shared_world.table.now = datetime(2026, 11, 26, 12, tzinfo=UTC)
    yield shared_world
    for account in list(shared_world.store.schedules_due(datetime(2100, 1, 1, tzinfo=UTC))):
        shared_world.store.drop_schedule(account, by=None, now=shared_world.table.now)


@pytest.fixture
def account(world: SweepWorld) -> str:
    account = next_account_id()
    world.table.set_account(account)
    return account


def scheduled(world: SweepWorld, account: str, rhythm: Rhythm = NIGHTLY) -> Schedule:
    schedule = Schedule(account, rhythm, BOB, rhythm.after(world.table.now))
    world.store.set_schedule(schedule, now=world.table.now)
    return schedule


def sweep_at(world: SweepWorld, moment: datetime) -> None:
    world.table.now = moment
    world.sweeper.sweep()


def running(world: SweepWorld, account: str) -> Backup:
    backup = world.store.running(account)
    assert backup is not None
    return backup


def get_ready(world: SweepWorld, account: str) -> Backup:
    """End the running backup as the workflow does."""
    backup = running(world, account)
    ready = world.table.ended_well(backup, days=100)
    world.store.finish(ready)
    world.end(backup, "SUCCEEDED")
    return ready


def history(world: SweepWorld, account: str) -> list[Backup]:
    return world.store.history(account, limit=100)


# --- when it is due ---


def test_before_its_time_nothing_happens(world: SweepWorld, account: str) -> None:
    due = scheduled(world, account).next_at
    assert due == datetime(2026, 11, 27, 1, 30, tzinfo=UTC)
    sweep_at(world, due - timedelta(seconds=1))
    assert world.store.running(account) is None


def test_at_its_time_a_backup_begins_in_the_name_of_whoever_set_it(world: SweepWorld, account: str) -> None:
    due = scheduled(world, account).next_at
    sweep_at(world, due)
    backup = running(world, account)
    assert (backup.requested_by, backup.requested_at, backup.scheduled) == (BOB, due, True)
    assert (backup.account_name, backup.encoding) == ("Acme", "windows-1252")
    assert backup.id in world.executions()
    found = world.store.schedule(account)
    assert found is not None
    assert found.next_at == due + DAY


@pytest.mark.parametrize("late", [timedelta(0), timedelta(minutes=5), timedelta(days=3, hours=1)])
def test_a_sweep_that_comes_late_makes_one_backup_whatever_number_was_due(
    world: SweepWorld, account: str, late: timedelta
) -> None:
    due = scheduled(world, account).next_at
    sweep_at(world, due + late)
    backup = running(world, account)
    for _ in range(2):
        world.sweeper.sweep()
    assert running(world, account).id == backup.id
    assert history(world, account) == []
    found = world.store.schedule(account)
    assert found is not None
    assert due + late < found.next_at <= due + late + DAY


def test_two_sweepers_at_once_begin_one_backup(world: SweepWorld, account: str) -> None:
    due = scheduled(world, account).next_at
    world.table.now = due
    # The second has read the schedule before the first moves it on.
    stale = world.store.schedule(account)
    world.sweeper.sweep()
    first = running(world, account)
    get_ready(world, account)
    assert stale is not None
    with pytest.raises(Superseded):
        world.store.claim(world.table.backup(account), due=stale)
    assert world.store.running(account) is None
    assert [backup.id for backup in history(world, account)] == [first.id]


def test_a_start_whose_answer_is_lost_is_made_up_for_by_the_next_sweep(
    world: SweepWorld, account: str
) -> None:
    due = scheduled(world, account).next_at
    world.line.refuse("StartExecution", 400, "ThrottlingException")
    sweep_at(world, due)
    backup = running(world, account)
    assert backup.id not in world.executions()
    world.begin_anew()
    sweep_at(world, due + LEASE_OVER)
    assert backup.id in world.executions()


def test_one_account_s_broken_schedule_stops_no_other_one(world: SweepWorld, account: str) -> None:
    broken = next_account_id()
    world.table.set_account(broken)
    due = scheduled(world, broken).next_at
    world.table.dynamodb.update_item(
        TableName="backups",
        Key={"pk": {"S": f"ACCOUNT#{broken}"}, "sk": {"S": "SCHEDULE"}},
        UpdateExpression="SET #format = :newer",
        ExpressionAttributeNames={"#format": "format"},
        ExpressionAttributeValues={":newer": {"N": "99"}},
    )
    scheduled(world, account)
    with pytest.raises(SweepIncomplete):
        sweep_at(world, due)
    assert running(world, account).scheduled


# --- when it cannot be ---


def test_while_another_backup_is_made_it_is_missed_and_said_to_be(world: SweepWorld, account: str) -> None:
    due = scheduled(world, account).next_at
    world.table.now = due - timedelta(minutes=1)
    other = world.begun(account)
    sweep_at(world, due)
    assert running(world, account).id == other.id
    (missed,) = history(world, account)
    assert (missed.state, missed.scheduled, missed.requested_by) == (State.FAILED, True, BOB)
    assert missed.failure is not None
    assert missed.failure.reason is Reason.OTHER_RUNNING
    assert missed.id in world.told()
    assert missed.id not in world.executions()
    events = [
        entry.event
        for entry in world.table.trail.page(account, due, limit=10)
        if entry.backup_id == missed.id
    ]
    assert events == [Event.FAILED, Event.REQUESTED]
    world.sweeper.sweep()
    assert len(history(world, account)) == 1


def test_an_e_mail_about_a_missed_one_is_owed_until_it_is_settled(world: SweepWorld, account: str) -> None:
    due = scheduled(world, account).next_at
    world.table.now = due - timedelta(minutes=1)
    world.begun(account)
    world.functions.refuse(429, "TooManyRequestsException")
    with pytest.raises(SweepIncomplete):
        sweep_at(world, due)
    (missed,) = history(world, account)
    world.begin_anew()
    before = world.told().count(missed.id)
    sweep_at(world, due + LEASE_OVER)
    assert world.told().count(missed.id) == before + 1


@pytest.mark.parametrize("plan", ["Team", None])
def test_on_a_plan_without_backups_it_is_missed_once_and_the_schedule_ends(
    world: SweepWorld, account: str, plan: str | None
) -> None:
    due = scheduled(world, account).next_at
    if plan:
        world.table.set_account(account, plan=plan)
    else:
        world.table.dynamodb.delete_item(
            TableName="backups", Key={"pk": {"S": f"ACCOUNT#{account}"}, "sk": {"S": "SETTINGS"}}
        )
    sweep_at(world, due)
    sweep_at(world, due + DAY)
    (missed,) = history(world, account)
    assert missed.failure is not None
    assert missed.failure.reason is Reason.PLAN_CHANGED
    assert world.store.schedule(account) is None
    changes = [
        entry.by and entry.by.name
        for entry in world.table.trail.page(account, world.table.now, limit=10)
        if entry.event is Event.SCHEDULE_CHANGED
    ]
    assert changes == [None, BOB.name]


def test_one_that_was_turned_off_just_before_is_not_made(world: SweepWorld, account: str) -> None:
    schedule = scheduled(world, account)
    due = world.table.now = schedule.next_at
    world.store.drop_schedule(account, by=ANN, now=world.table.now)
    world.schedules().see_to(account)
    with pytest.raises(Superseded):
        world.store.claim(world.table.backup(account), due=schedule)
    with pytest.raises(Superseded):
        world.store.miss(
            failed(world.table.backup(account), Failure(Reason.OTHER_RUNNING), due), due=schedule
        )
    assert world.store.running(account) is None
    assert history(world, account) == []


# --- what is kept ---


def test_so_many_files_are_kept_and_all_of_the_history(world: SweepWorld, account: str) -> None:
    due = scheduled(world, account, dataclasses.replace(NIGHTLY, keep=2)).next_at
    by_hand = world.table.ready(account, days=100)
    made = []
    for day in range(4):
        sweep_at(world, due + day * DAY)
        made.append(get_ready(world, account))
        sweep_at(world, due + day * DAY + LEASE_OVER)
    states = {backup.id: backup.state for backup in history(world, account)}
    assert [states[backup.id] for backup in made] == [State.DELETED, State.DELETED, State.READY, State.READY]
    assert states[by_hand.id] is State.READY
    assert [backup.id for backup in made[:2]] == [one for one in world.cleaned() if one in states]
    gone = world.store.find(account, made[0].id)
    assert gone is not None
    assert (gone.ended_by, gone.deleted_at) == (None, due + 2 * DAY + LEASE_OVER)


def test_without_a_number_every_file_is_kept(world: SweepWorld, account: str) -> None:
    due = scheduled(world, account).next_at
    for day in range(3):
        sweep_at(world, due + day * DAY)
        get_ready(world, account)
        sweep_at(world, due + day * DAY + LEASE_OVER)
    assert {backup.state for backup in history(world, account)} == {State.READY}


def test_the_last_good_file_stays_when_the_newest_backup_fails(world: SweepWorld, account: str) -> None:
    due = scheduled(world, account, dataclasses.replace(NIGHTLY, keep=1)).next_at
    sweep_at(world, due)
    good = get_ready(world, account)
    sweep_at(world, due + DAY)
    world.end(running(world, account), "FAILED")
    sweep_at(world, due + DAY + LEASE_OVER)
    sweep_at(world, due + DAY + 2 * LEASE_OVER)
    states = {backup.id: backup.state for backup in history(world, account)}
    assert sorted(states.values()) == ["failed", "ready"]
    assert states[good.id] is State.READY


def test_a_long_backup_is_waited_for_before_old_files_go(world: SweepWorld, account: str) -> None:
    due = scheduled(world, account, dataclasses.replace(NIGHTLY, keep=1)).next_at
    sweep_at(world, due)
    first = get_ready(world, account)
    sweep_at(world, due + DAY)
    world.store.begin(account, running(world, account).id, units=1, now=world.table.now)
    for minutes in range(0, 60, 5):
        sweep_at(world, due + DAY + timedelta(minutes=minutes))
    assert history(world, account)[0].state is State.READY
    get_ready(world, account)
    sweep_at(world, due + DAY + timedelta(minutes=60))
    states = {backup.id: backup.state for backup in history(world, account)}
    assert states[first.id] is State.DELETED


def test_between_backups_a_schedule_costs_no_reads(world: SweepWorld, account: str) -> None:
    due = scheduled(world, account, dataclasses.replace(NIGHTLY, keep=1)).next_at
    sweep_at(world, due)
    get_ready(world, account)
    sweep_at(world, due + LEASE_OVER)
    assert account not in set(world.store.schedules_due(due + DAY - timedelta(seconds=1)))
    assert account in set(world.store.schedules_due(due + DAY))
